import type { Gap } from "../delivery/gap.js";
import { maxPlaces, type Places } from "../delivery/places.js";
import { utf8Length } from "../options/utf8_length.js";
import { type Cursor, encodeCursor } from "../topic/cursor.js";
import type { SubscribeFrom } from "./subscription.js";

/** Of how many topics the position is remembered. */
const maxPositions = 65_536;
/** What a place takes in a frame beside the topic's name. */
const placeOverheadBytes = 48;

/** How far a client has come in the topics that it hears: what it says when it comes again, and by what it sees gaps. */
export class TopicPositions {
  /** Those that moved last, last. */
  readonly #positions = new Map<string, Cursor>();

  /** The newest that came. */
  get(topic: string): Cursor | undefined {
    return this.#positions.get(topic);
  }

  /** A subscription is asked for, which goes on from where it says, not from what had come. */
  begin(pattern: string, from: SubscribeFrom): void {
    if (typeof from === "object") this.#positions.set(pattern, from);
    else this.#positions.delete(pattern);
  }

  /** A subscription without `from` began at a cursor: what came meanwhile is newer. */
  began(topic: string, cursor: Cursor): void {
    if (!this.#positions.has(topic)) this.#remember(topic, cursor);
  }

  forget(pattern: string): void {
    this.#positions.delete(pattern);
  }

  /**
   * A publication has come.
   * @returns `again`: it had come already, and changes nothing; `gap`: something is missing between it and the one before.
   */
  advance(topic: string, cursor: Cursor): "next" | "again" | "gap" {
    const last = this.#positions.get(topic);
    const isKnown = last !== undefined && last.epoch === cursor.epoch;
    if (isKnown && cursor.sequence <= last.sequence) return "again";
    this.#remember(topic, cursor);
    return isKnown && cursor.sequence > last.sequence + 1 ? "gap" : "next";
  }

  /** The server has told a gap: what follows it is no other one. */
  skip({ topic = "", epoch, oldest }: Gap): void {
    const last = this.#positions.get(topic);
    // What came since the hello, on the connection before, the server does not know of, and sends again.
    const isAhead = last?.epoch === epoch && last.sequence >= oldest;
    if (oldest > 0 && !isAhead) this.#remember(topic, { epoch, sequence: oldest - 1 });
  }

  /**
   * As the server is told of them: those that moved last, as far as they fit.
   * @param maxBytes what they may take together.
   * @param isWanted whether a topic is to be among them.
   */
  places(maxBytes: number, isWanted: (topic: string) => boolean = () => true): Places {
    const places = new Map<string, Uint8Array>();
    let bytes = 0;
    for (const [topic, cursor] of [...this.#positions].reverse()) {
      if (places.size === maxPlaces) break;
      if (topic === "" || !isWanted(topic)) continue; // an empty one no sound server sends
      bytes += placeOverheadBytes + utf8Length(topic);
      if (bytes > maxBytes) break;
      places.set(topic, encodeCursor(cursor));
    }
    return places;
  }

  #remember(topic: string, cursor: Cursor): void {
    this.#positions.delete(topic); // so that it goes to the end
    this.#positions.set(topic, cursor);
    if (this.#positions.size <= maxPositions) return;
    const [oldest] = this.#positions.keys();
    this.#positions.delete(oldest!);
  }
}
