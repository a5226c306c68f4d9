/**
 * The words of the room, JSON text in whole messages. The page (`page/room.js`) speaks the same.
 *
 *   participant → room    join, say, ping, pong
 *   room → participant    welcome, roster, joined, left, said, missed, refused, ping, pong
 */

export const maxNameCharacters = 32;
export const maxTextCharacters = 2_000;
/** The largest message the room takes or sends, in bytes; a roster of 256 long names fits. */
export const maxRoomMessageBytes = 64 * 1024;

export type RequestToRoom =
  | { readonly type: "join"; readonly name: string }
  | { readonly type: "say"; readonly text: string }
  | { readonly type: "ping"; readonly id: number }
  | { readonly type: "pong"; readonly id: number };

export interface Participant {
  readonly id: number;
  readonly name: string;
  /** `quic` or `websocket`. */
  readonly transport: string;
  /** Measured by the room through the message path; null until the first answer. */
  readonly roundTripMs: number | null;
}

export type MessageFromRoom =
  | { readonly type: "welcome"; readonly you: Participant; readonly linesPerSecond: number }
  | { readonly type: "roster"; readonly participants: readonly Participant[] }
  | { readonly type: "joined"; readonly participant: Participant }
  | { readonly type: "left"; readonly participant: Participant }
  | { readonly type: "said"; readonly from: Participant; readonly text: string }
  /** So many lines were said while this participant was too slow to be sent them. */
  | { readonly type: "missed"; readonly lines: number }
  | { readonly type: "refused"; readonly reason: string }
  | { readonly type: "ping"; readonly id: number }
  | { readonly type: "pong"; readonly id: number };

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

export function encodeMessage(message: RequestToRoom | MessageFromRoom): Uint8Array {
  return encoder.encode(JSON.stringify(message));
}

/**
 * What a participant sent, checked: nobody is trusted here.
 * @returns the request, or why it is none.
 */
export function parseRequest(bytes: Uint8Array): RequestToRoom | { type: "invalid"; reason: string } {
  const value = parseObject(bytes);
  switch (value?.type) {
    case "join":
      return parseText(value.name, "name", maxNameCharacters, (name) => ({ type: "join", name }));
    case "say":
      return parseText(value.text, "text", maxTextCharacters, (text) => ({ type: "say", text }));
    case "ping":
    case "pong":
      if (!Number.isSafeInteger(value.id)) return invalid(`"${value.type}" needs an "id", a whole number`);
      return { type: value.type, id: value.id as number };
    default:
      return invalid('a message is a JSON object whose "type" is join, say, ping or pong');
  }
}

/** What the room sent, as far as a client relies on it: undefined for what it does not know. */
export function parseRoomMessage(bytes: Uint8Array): MessageFromRoom | undefined {
  const value = parseObject(bytes);
  return typeof value?.type === "string" ? (value as unknown as MessageFromRoom) : undefined;
}

/** Text without control characters and direction overrides: it can neither move a cursor nor fake a name. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, " ");
}

/** `0.42 ms`, `17 ms`, or `–` while it is not known. */
export function formatRoundTrip(roundTripMs: number | null): string {
  if (roundTripMs === null) return "–";
  return `${roundTripMs < 10 ? roundTripMs.toFixed(2) : Math.round(roundTripMs)} ms`;
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function parseText<T>(value: unknown, field: string, maxCharacters: number, accept: (text: string) => T) {
  if (typeof value !== "string") return invalid(`"${field}" must be text`);
  if (value.length > maxCharacters) return invalid(`"${field}" is longer than ${maxCharacters} characters`);
  const text = printable(value).trim();
  return text === "" ? invalid(`"${field}" is empty`) : accept(text);
}

function invalid(reason: string): { type: "invalid"; reason: string } {
  return { type: "invalid", reason };
}
