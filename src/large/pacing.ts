import { integer, withDefault } from "../options/schema.js";
import { maxWindowBytes, minWindowBytes } from "./offer.js";

/** How both sides of a large message pace it: each has a window of its own, of which the smaller holds, and patience. */
export const pacingOptions = {
  windowBytes: withDefault(integer(minWindowBytes, maxWindowBytes), 512 * 1_024),
  idleTimeoutMs: withDefault(integer(1, 0x7fff_ffff), 60_000),
};
