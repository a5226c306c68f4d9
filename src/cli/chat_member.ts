import {
  type Behaviour,
  type CloseInfo,
  type Connection,
  ConnectionLostError,
  InvalidArgumentError,
} from "../index.js";
import { encodeMessage, type Participant, parseRoomMessage } from "./room_message.js";
import type { Screen } from "./screen.js";

/** A participant's side of the room: joins, answers pings, and shows what is said. */
export class ChatMember implements Behaviour {
  /** Settles when the room has taken us in, or will not. */
  readonly joined: Promise<void>;
  participants: readonly Participant[] = [];
  linesPerSecond = 1;
  readonly #name: string;
  readonly #screen: Screen;
  readonly #join = new Deferred();
  #id = 0;
  #linesSent = 0;
  #linesAnswered = 0;
  #drained: Deferred | undefined = undefined;
  #repeated: Deferred | undefined = undefined;

  constructor(name: string, screen: Screen) {
    this.#name = name;
    this.#screen = screen;
    this.joined = this.#join.promise;
    // Where `connect` fails, nobody waits for it.
    this.joined.catch(() => undefined);
  }

  open(connection: Connection): void {
    connection.send(encodeMessage({ type: "join", name: this.#name }));
  }

  message(connection: Connection, bytes: Uint8Array): void {
    const message = parseRoomMessage(bytes);
    switch (message?.type) {
      case "welcome":
        this.#id = message.you.id;
        this.linesPerSecond = message.linesPerSecond;
        this.#screen.note(`you are ${message.you.name}, over ${message.you.transport}; /who, /quit`);
        this.#join.resolve();
        break;
      case "roster":
        this.participants = message.participants;
        break;
      case "joined":
      case "left":
        if (message.participant.id !== this.#id) this.#screen.moved(message.participant, message.type);
        break;
      case "said":
        this.#screen.said(message.from, message.text, message.from.id === this.#id);
        if (message.from.id === this.#id) this.#answered();
        break;
      case "missed":
        this.#screen.note(`${message.lines} lines were missed here`);
        break;
      case "refused":
        if (this.#id === 0)
          this.#join.reject(new InvalidArgumentError(`the room refuses: ${message.reason}`));
        else this.#screen.note(`refused: ${message.reason}`);
        this.#answered();
        break;
      case "ping":
        connection.send(encodeMessage({ type: "pong", id: message.id }));
        break;
    }
  }

  drain(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  close(_connection: Connection, { by, reason, error }: CloseInfo): void {
    const why = by === "local" ? "it did not take us in" : `it closed the connection: ${reason}`;
    this.#join.reject(error ?? new ConnectionLostError(`no room there; ${why}`));
    this.drain();
    this.#repeated?.resolve();
  }

  /** A line was sent. */
  sent(): void {
    this.#linesSent += 1;
  }

  /** Resolves when the queue has room again, or the connection has ended. */
  drained(): Promise<void> {
    this.#drained ??= new Deferred();
    return this.#drained.promise;
  }

  /** Resolves when the room has repeated, or refused, all that was said. */
  repeated(): Promise<void> {
    this.#repeated ??= new Deferred();
    if (this.#linesAnswered >= this.#linesSent) this.#repeated.resolve();
    return this.#repeated.promise;
  }

  #answered(): void {
    this.#linesAnswered += 1;
    if (this.#linesAnswered >= this.#linesSent) this.#repeated?.resolve();
  }
}

/** A promise that somebody else settles. */
class Deferred {
  readonly promise: Promise<void>;
  resolve!: () => void;
  reject!: (cause: Error) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}
