import { type Behaviour, CloseCode } from "../index.js";
import { Member, type RoomConnection } from "./member.js";
import {
  encodeMessage,
  type MessageFromRoom,
  maxRoomMessageBytes,
  type Participant,
  parseRequest,
} from "./room_message.js";

export interface RoomOptions {
  /** How many messages a second a participant may send for long; twice that at once. */
  readonly messagesPerSecond?: number;
  readonly maxParticipants?: number;
  /** Milliseconds that only grow; tests bring their own. */
  readonly now?: () => number;
}

/** A connection that has not joined within so long is closed. */
const joinWithinMs = 10_000;

/**
 * One shared room over message connections of any transport. It keeps nothing but its members: a line is
 * sent on to who is there. Give it to `listen` as the behaviour, and call `measure` every few seconds.
 */
export class Room implements Behaviour<Member> {
  /** What `listen` should be told, so that limits agree. */
  static readonly limits = {
    maxMessageBytes: maxRoomMessageBytes,
    highWaterMarkBytes: 4 * maxRoomMessageBytes,
  };
  readonly #members = new Map<number, Member>();
  readonly #messagesPerSecond: number;
  readonly #maxParticipants: number;
  readonly #now: () => number;
  #lastId = 0;

  constructor({ messagesPerSecond = 10, maxParticipants = 256, now }: RoomOptions = {}) {
    this.#messagesPerSecond = messagesPerSecond;
    this.#maxParticipants = maxParticipants;
    this.#now = now ?? (() => performance.now());
  }

  get participants(): Participant[] {
    return this.#joined().map((member) => member.participant());
  }

  open(connection: RoomConnection): void {
    this.#lastId += 1;
    const member = new Member(this.#lastId, connection, this.#messagesPerSecond, this.#now());
    connection.data = member;
    if (this.#members.size >= this.#maxParticipants) {
      connection.close({ code: CloseCode.exhausted, reason: "the room is full" });
      return;
    }
    this.#members.set(member.id, member);
  }

  message({ data: member }: RoomConnection, bytes: Uint8Array): void {
    const now = this.#now();
    const allowance = member.allowance.take(now);
    if (allowance === "exhausted") {
      member.connection.close({ code: CloseCode.policy, reason: "too many messages" });
      return;
    }
    if (allowance === "refused") {
      member.send(encodeMessage({ type: "refused", reason: "too fast; wait a moment" }));
      return;
    }
    const request = parseRequest(bytes);
    switch (request.type) {
      case "join":
        this.#join(member, request.name, now);
        break;
      case "say":
        this.#say(member, request.text);
        break;
      case "ping":
        member.send(encodeMessage({ type: "pong", id: request.id }));
        break;
      case "pong":
        // The round trip is shown from the first answer on, not from the next measurement.
        if (member.answered(request.id, now)) this.#sendRoster();
        break;
      case "invalid":
        member.send(encodeMessage({ type: "refused", reason: request.reason }));
        break;
    }
  }

  drain({ data: member }: RoomConnection): void {
    member.caughtUp(this.#roster());
  }

  close({ data: member }: RoomConnection): void {
    if (!this.#members.delete(member.id) || !member.joined) return;
    this.#broadcast({ type: "left", participant: member.participant() });
    this.#sendRoster();
  }

  /** Asks every participant for its round trip, tells all the numbers, and sends away who never joined. */
  measure(): void {
    const now = this.#now();
    for (const member of this.#members.values()) {
      if (member.joined) member.ping(now);
      else if (now - member.openedAt > joinWithinMs) {
        member.connection.close({ code: CloseCode.policy, reason: "join first" });
      }
    }
    this.#sendRoster();
  }

  #join(member: Member, name: string, now: number): void {
    if (member.joined) {
      member.send(encodeMessage({ type: "refused", reason: "you have joined already" }));
      return;
    }
    member.name = this.#freeName(name);
    const linesPerSecond = this.#messagesPerSecond / 2;
    member.send(encodeMessage({ type: "welcome", you: member.participant(), linesPerSecond }));
    this.#broadcast({ type: "joined", participant: member.participant() });
    this.#sendRoster();
    member.ping(now);
  }

  #say(member: Member, text: string): void {
    if (member.joined) this.#broadcast({ type: "said", from: member.participant(), text });
    else member.send(encodeMessage({ type: "refused", reason: "join first" }));
  }

  /** Names are told apart: a second `ada` becomes `ada 2`. */
  #freeName(wanted: string): string {
    const taken = new Set(this.#joined().map((member) => member.name));
    let name = wanted;
    for (let n = 2; taken.has(name); n += 1) name = `${wanted} ${n}`;
    return name;
  }

  #joined(): Member[] {
    return [...this.#members.values()].filter((member) => member.joined);
  }

  #roster(): Uint8Array {
    return encodeMessage({ type: "roster", participants: this.participants });
  }

  #broadcast(message: MessageFromRoom): void {
    const bytes = encodeMessage(message);
    for (const member of this.#joined()) member.sendLine(bytes);
  }

  /** A roster is stale in seconds, so who is behind gets none until he has caught up. */
  #sendRoster(): void {
    const bytes = this.#roster();
    for (const member of this.#joined()) if (!member.behind) member.send(bytes);
  }
}
