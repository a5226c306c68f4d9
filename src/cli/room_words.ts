/**
 * The words of the room over its sessions. Everything is JSON text.
 *
 *   hello     its entry `name` says what the others are to call this member
 *   requests  `room.me` answers {@link Entrance}, `room.say` {@link Said}; the room asks `ping` of its members
 *   topics    {@link topics}
 *
 * The page runs this file, too.
 */

/** What is published. */
export const topics = {
  /** What is said: {@link Line}; those who come late hear what was said before. */
  lines: "room.lines",
  /** Who comes and goes: {@link Move}. */
  moves: "room.moves",
  /** Who is there: a list of {@link Participant}, the newest of which is kept. */
  roster: "room.roster",
} as const;

/** What members ask of the room. */
export const subjects = { me: "room.me", say: "room.say", ping: "ping" } as const;

export const maxNameCharacters = 32;
export const maxTextCharacters = 2_000;
/** The largest message the room takes or sends, in bytes; a roster of 256 long names fits. */
export const maxRoomMessageBytes = 64 * 1024;

/** Somebody in the room. */
export interface Participant {
  readonly id: number;
  readonly name: string;
  /** `quic`, `websocket` or `tcp`. */
  readonly transport: string;
  /** Measured by the room through requests; null until the first answer. */
  readonly roundTripMs: number | null;
}

/** What somebody said. */
export interface Line {
  readonly from: Participant;
  readonly text: string;
  /** Milliseconds since the epoch, by the room's clock. */
  readonly at: number;
}

/** Somebody came or went. */
export interface Move {
  readonly who: Participant;
  readonly how: "joined" | "left";
}

/** What a member is told of itself. */
export interface Entrance {
  readonly you: Participant;
  /** How many lines a second the room takes for long. */
  readonly linesPerSecond: number;
}

/** A line has been published. */
export interface Said {
  /** Its sequence in its topic. */
  readonly sequence: number;
}

/** Text of a stranger, made fit to be shown, or why it is not. */
export type Checked = { readonly text: string } | { readonly fault: string };

/** A name or a line of a stranger. @param field what it is called where it is not fit */
export function checkText(value: string, field: string, maxCharacters: number): Checked {
  if (value.length > maxCharacters) return { fault: `"${field}" is longer than ${maxCharacters} characters` };
  const text = printable(value).trim();
  return text === "" ? { fault: `"${field}" is empty` } : { text };
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
