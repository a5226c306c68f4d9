import type { Outcome } from "#internal/delivery/outbound.js";
import type { Way } from "./step.js";

/** How the messages of a stream may come. */
export type Promised = "ordered" | "unordered" | "newer" | "once";

/** The messages of one client, one way, in one lane, or of one key. */
export interface Stream {
  readonly client: string;
  readonly way: Way;
  readonly name: string;
  readonly promised: Promised;
  readonly sent: Sent[];
  readonly came: Came[];
}

export interface Sent {
  readonly id: number;
  /** Which of its sender's sessions it was given to, counted from 0. */
  readonly incarnation: number;
  accepted: boolean;
  readonly settles: boolean;
  readonly outcomes: Outcome[];
  /** Of a request: what its sender was told. */
  reply: "success" | "failure" | "timeout" | "error" | undefined;
  readonly asks: boolean;
}

interface Came {
  readonly id: number;
  /** Of the receiver's session. */
  readonly session: string;
}

/** What a topic brought to a client: a number, the word that something may be missing, or where its subscription began. */
type Heard = number | "gap" | { readonly behind: number };

/** What was sent and what came, as those who sent and received it say: nothing of it is asked of a session. */
export class Journal {
  readonly streams = new Map<string, Stream>();
  /** Of each client, and of the server with each: how often it was told that a session is lost. */
  readonly #losses = new Map<string, number>();
  readonly topics = new Map<string, Heard[]>();
  /** What was seen to be wrong at once. */
  readonly faults: string[] = [];
  published = 0;

  /** In which of its sessions somebody is, by what it was told. */
  incarnation(client: string, way: Way): number {
    return this.#losses.get(`${client} ${way}`) ?? 0;
  }

  /** How often anybody was told so. */
  get lossesDeclared(): number {
    return [...this.#losses.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Who sends to a client, or from it, is told that the session is lost, with what of it was not acknowledged. */
  lost(client: string, way: Way): void {
    this.#losses.set(`${client} ${way}`, this.incarnation(client, way) + 1);
    if (way === "up") this.heard(client, "gap");
  }

  stream(client: string, way: Way, name: string, promised: Promised): Stream {
    const key = `${client} ${way} ${name}`;
    let stream = this.streams.get(key);
    if (stream === undefined) {
      stream = { client, way, name, promised, sent: [], came: [] };
      this.streams.set(key, stream);
    }
    return stream;
  }

  /** Notes what is about to be sent. */
  sends(stream: Stream, { settles = false, asks = false } = {}): Sent {
    const { client, way, sent } = stream;
    const incarnation = this.incarnation(client, way);
    const message: Sent = {
      ...{ id: sent.length, incarnation, accepted: false, settles, asks },
      ...{ outcomes: [], reply: undefined },
    };
    sent.push(message);
    return message;
  }

  /** Something came. @param from whom its receiver takes for its sender. */
  came(key: string, id: number, session: string, from: string | undefined): void {
    const stream = this.streams.get(key);
    if (stream === undefined) this.faults.push(`${key} ${id} came, which nobody sent`);
    else {
      if (stream.client !== from) this.faults.push(`${key} ${id} came as if it were of ${from}`);
      stream.came.push({ id, session });
    }
  }

  heard(client: string, what: Heard): void {
    const heard = this.topics.get(client) ?? [];
    heard.push(what);
    this.topics.set(client, heard);
  }
}
