import type * as v from "valibot";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { subjectText } from "../delivery/subject_text.js";
import { InvalidArgumentError } from "../errors.js";
import { readOptions, show } from "../options/read.js";
import { integer, type Option, object, option, optional } from "../options/schema.js";

/** What is said of a large message before any of its bytes go: a request, as JSON. */
export interface Offer {
  readonly id: number;
  /** How much of it may be on its way that is not taken. */
  readonly windowBytes: number;
  readonly totalBytes?: number | undefined;
  readonly subject?: string | undefined;
  readonly about?: unknown;
}

/** How many bytes at most, `about` and all. */
export const maxOfferBytes = 16_384;

/** The range of windows. */
export const minWindowBytes = 8_192;
export const maxWindowBytes = 64 * 1_024 * 1_024;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Of a message: any number of bytes that a number can count. */
export const anyBytes = integer(0, Number.MAX_SAFE_INTEGER);
export const anything: Option<unknown> = option("anything", () => true);

const offerSchema = object({
  id: integer(0, 0xffff_ffff),
  windowBytes: integer(minWindowBytes, maxWindowBytes),
  totalBytes: optional(anyBytes),
  subject: optional(subjectText),
  about: optional(anything),
} satisfies Record<keyof Offer, unknown>);

const answerSchema = object({ windowBytes: integer(minWindowBytes, maxWindowBytes) });

/** @throws InvalidArgumentError where JSON has no words for `about`, or too many */
export function encodeOffer(offer: Offer): Uint8Array {
  const bytes = encoder.encode(jsonOf(offer));
  if (bytes.length <= maxOfferBytes) return bytes;
  throw new InvalidArgumentError(
    `about must be short: with it the offer has ${bytes.length} bytes, and may have ${maxOfferBytes}`,
  );
}

function jsonOf(offer: Offer): string {
  const { about } = offer;
  try {
    if (about === undefined || JSON.stringify(about) !== undefined) return JSON.stringify(offer);
  } catch (cause) {
    throw new InvalidArgumentError("about must be something that JSON has words for", { cause });
  }
  throw new InvalidArgumentError(`about must be something that JSON has words for, and not ${show(about)}`);
}

/** @throws RequestFailure where it is none */
export function readOffer(bytes: Uint8Array): Offer {
  return readJson(bytes, offerSchema, "an offer");
}

/** What the offer is answered with: the window that holds. */
export function encodeAcceptance(windowBytes: number): string {
  return JSON.stringify({ windowBytes });
}

/** @throws RequestFailure where it is none */
export function readAcceptance(bytes: Uint8Array): { readonly windowBytes: number } {
  return readJson(bytes, answerSchema, "an answer to an offer");
}

function readJson<Schema extends v.GenericSchema>(
  bytes: Uint8Array,
  schema: Schema,
  what: string,
): v.InferOutput<Schema> {
  if (bytes.length > maxOfferBytes) throw malformed(`${what} has ${bytes.length} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes.slice()));
  } catch {
    throw malformed(`${what} is no JSON`);
  }
  try {
    return readOptions(schema, value, what);
  } catch (cause) {
    if (cause instanceof InvalidArgumentError) throw malformed(cause.message);
    throw cause;
  }
}

function malformed(reason: string): RequestFailure {
  return new RequestFailure(reason, FailureCode.malformed);
}
