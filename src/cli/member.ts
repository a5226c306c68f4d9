import type { Connection } from "../index.js";
import { Allowance } from "./allowance.js";
import { encodeMessage, type Participant } from "./room_message.js";

/** The part of a connection that a room uses. */
export type RoomConnection = Pick<Connection<Member>, "transport" | "data" | "send" | "close" | "state">;

/** How much a new measurement counts. RFC 6298 takes 1/8, but this is measured once in seconds. */
const roundTripGain = 1 / 4;

/** One connection in the room; a participant once it has given its name. */
export class Member {
  readonly id: number;
  readonly connection: RoomConnection;
  readonly allowance: Allowance;
  readonly openedAt: number;
  /** Empty until it has joined. */
  name = "";
  /** True while its queue is at the high-water mark. */
  behind = false;
  #linesMissed = 0;
  #roundTripMs: number | null = null;
  #pingId = 0;
  /** When the ping that is not answered yet was sent. */
  #pingedAt: number | undefined = undefined;

  constructor(id: number, connection: RoomConnection, messagesPerSecond: number, now: number) {
    this.id = id;
    this.connection = connection;
    this.allowance = new Allowance(messagesPerSecond, now);
    this.openedAt = now;
  }

  get joined(): boolean {
    return this.name !== "";
  }

  participant(): Participant {
    return {
      id: this.id,
      name: this.name,
      transport: this.connection.transport,
      roundTripMs: this.#roundTripMs,
    };
  }

  /** @returns whether it was accepted. */
  send(bytes: Uint8Array): boolean {
    if (this.connection.state !== "open") return false;
    const result = this.connection.send(bytes);
    if (result !== "sent") this.behind = true;
    return result !== "dropped";
  }

  /** Sends what was said; where the queue is full, the participant is told later how much it missed. */
  sendLine(bytes: Uint8Array): void {
    if (!this.send(bytes)) this.#linesMissed += 1;
  }

  caughtUp(roster: Uint8Array): void {
    this.behind = false;
    if (!this.joined) return;
    const lines = this.#linesMissed;
    this.#linesMissed = 0;
    if (lines > 0) this.send(encodeMessage({ type: "missed", lines }));
    this.send(roster);
  }

  /** Sends a ping through the message path, unless the last one is not answered yet. */
  ping(now: number): void {
    if (this.behind || this.#pingedAt !== undefined) return;
    this.#pingId += 1;
    if (this.send(encodeMessage({ type: "ping", id: this.#pingId }))) this.#pingedAt = now;
  }

  /** @returns true when this was the first measurement. */
  answered(id: number, now: number): boolean {
    if (id !== this.#pingId || this.#pingedAt === undefined) return false;
    const sample = now - this.#pingedAt;
    this.#pingedAt = undefined;
    const before = this.#roundTripMs;
    this.#roundTripMs = before === null ? sample : before + (sample - before) * roundTripGain;
    return before === null;
  }
}
