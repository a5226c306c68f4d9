import { CLAIM_ENVIRONMENT_BITS } from "./table_layout.js";

const environmentMask = 2 ** CLAIM_ENVIRONMENT_BITS - 1;

/** An environment of a table and its epoch: what it writes into the slots that it has. Never 0. */
export type Claim = number & { readonly brand: "Claim" };

export function environmentOf(claim: Claim): number {
  return claim & environmentMask;
}
