import { setImmediate as nextTurn } from "node:timers/promises";
import type { CloseInfo, Transport } from "millrace";
import { type ClientSession, connect } from "millrace/client";
import type { Outgoing } from "#internal/delivery/outbound.js";
import type { SessionHalf } from "#internal/delivery/session_half.js";
import { ResourceExhaustedError } from "#internal/errors.js";
import { Kind } from "#internal/frame/frame.js";
import { authority } from "../transport/suite/kit.js";
import type { Journal, Sent, Stream } from "./journal.js";
import { Road } from "./road.js";
import type { Setting, Step, Way } from "./step.js";

type Send = Extract<Step, { do: "send" }>;

/** What of a session's end the proof sends with: more than its owner is meant to use. */
export type Half = SessionHalf & { readonly clientId: string | undefined };

const encoder = new TextEncoder();
/** Nothing here takes so long, but what hangs. */
const patienceMs = 20_000;

/** How one that comes back by itself does so. */
const comesBack = {
  reconnect: { delayMs: 5, maxDelayMs: 50 },
  connectTimeoutMs: 2_000,
  headStartMs: 100,
} as const;

/** One client, whose sessions come and go. */
export class Player {
  readonly name: string;
  readonly #journal: Journal;
  readonly #setting: Setting;
  readonly #transports: readonly Transport[];
  /** To each of the server's URLs. */
  #roads: readonly Road[] = [];
  session: ClientSession | undefined = undefined;
  /** Why the last one is over. */
  ended: CloseInfo | undefined = undefined;
  /** How many connections it has had. */
  connections = 0;
  /** How many of them it has lost, and how many of these its world has waited for. */
  losses = 0;
  lossesSeen = 0;
  /** How many it has left for others. */
  switches = 0;
  /** The connecting that goes on. */
  resuming: Promise<void> | undefined = undefined;

  constructor(name: string, journal: Journal, setting: Setting, transports: readonly Transport[]) {
    this.name = name;
    this.#journal = journal;
    this.#setting = setting;
    this.#transports = transports;
  }

  get roads(): readonly Road[] {
    return this.#roads;
  }

  /** What it connects to is at these URLs, this server or the next one. */
  async reach(urls: readonly string[]): Promise<void> {
    if (this.#roads.length === 0) this.#roads = await Promise.all(urls.map((url) => Road.to(url)));
    else await Promise.all(this.#roads.map((road, at) => road.retarget(urls[at]!)));
  }

  /** Begins a session where there is none. */
  async connect(over: number): Promise<void> {
    const { name: clientId } = this;
    const { windowBytes, replayBytes, reconnects } = this.#setting;
    const journal = this.#journal;
    this.session = await connect(
      reconnects ? this.#roads.map(({ url }) => url) : this.#url(over),
      {
        ...{ clientId, windowBytes, replayBytes, queueBytes: 65_536, highWaterMarkBytes: 8_192 },
        ...{ transports: this.#transports, tls: { ca: authority.certificate } },
        ...{ requestTimeoutMs: patienceMs, heartbeatMs: 1_000, heartbeatTimeoutMs: 1_500 },
        ...(reconnects ? comesBack : { reconnect: false, connectTimeoutMs: patienceMs }),
      },
      {
        message: (session, message) => note(journal, message.text(), session.id, clientId),
        request: (session, request) => {
          note(journal, request.text(), session.id, clientId);
          return request.payload;
        },
        publication: (_session, { text }) => journal.heard(clientId, Number(text())),
        gap: (_session, { topic }) => {
          if (topic !== undefined) journal.heard(clientId, "gap");
          else if (reconnects) journal.lost(clientId, "up"); // who moves it by hand is told so by the move
        },
        close: (session, info) => {
          if (this.session === session) this.session = undefined;
          this.ended = info;
          journal.lost(clientId, "up");
        },
        connected: () => {
          this.connections += 1;
        },
        disconnected: () => {
          this.losses += 1;
        },
        switched: () => {
          this.connections += 1;
          this.switches += 1;
        },
        error: (_session, cause) => {
          if (cause instanceof ResourceExhaustedError) return; // an answer found no room: who asked is told in time
          journal.faults.push(`${clientId}: ${cause}`);
        },
      },
    );
  }

  /** Goes on over another connection, or begins anew where its session is over. One at a time. */
  async resume(over: number): Promise<void> {
    this.resuming ??= this.#resume(over)
      .catch(() => {}) // the server is gone, or has cut it off
      .finally(() => {
        this.resuming = undefined;
      });
    await this.resuming;
  }

  async #resume(over: number): Promise<void> {
    const { session } = this;
    if (session === undefined) {
      await this.connect(over);
      return;
    }
    const { id } = session;
    const goesOn = await session.switchTo(this.#url(over));
    if (!goesOn && !this.#setting.reconnects) this.#journal.lost(this.name, "up");
    if (goesOn !== (session.id === id)) {
      this.#journal.faults.push(
        `${this.name}: resume said ${goesOn}, and the session was ${id}, now ${session.id}`,
      );
    }
  }

  #url(over: number): string {
    return this.#roads[over % this.#roads.length]!.url;
  }

  /** Ends its session, and begins another. */
  async leave(over: number): Promise<void> {
    await this.resuming;
    await this.session?.close({ graceful: false });
    await this.resume(over);
  }

  async end(): Promise<void> {
    await this.resuming;
    await this.session?.close({ graceful: false });
    await Promise.all(this.#roads.map((road) => road.close()));
  }
}

/** What a step sends, from one end of a session. */
export function sendAll(journal: Journal, half: Half, client: string, step: Send): void {
  const { way, delivery, priority, key } = step;
  const names = {
    ordered: priority,
    unordered: "unordered",
    latest: `latest ${priority} ${key}`,
    unreliable: `unreliable ${priority}`,
  };
  const promised = {
    ordered: "ordered",
    unordered: "unordered",
    latest: "newer",
    unreliable: "once",
  } as const;
  const stream = journal.stream(client, way, names[delivery], promised[delivery]);
  for (let i = 0; i < step.count; i += 1) sendOne(journal, half, stream, step);
}

function sendOne(journal: Journal, half: Half, stream: Stream, step: Send): void {
  const { delivery, priority, key, bytes } = step;
  const settles = step.settles && (delivery === "ordered" || delivery === "unordered");
  const message = journal.sends(stream, { settles });
  const payload = textOf(stream, message, bytes);
  // Unreliable ones go in datagrams, which have a limit.
  if (delivery === "unreliable" && payload.length > 1_000) return;
  const more = delivery === "latest" ? { key: `${key}` } : {};
  const settled = settles
    ? { settled: (outcome: Sent["outcomes"][0]) => message.outcomes.push(outcome) }
    : {};
  const outgoing: Outgoing = {
    ...{ kind: Kind.Message, type: 0, payload, delivery, priority, ...more, ...settled },
  };
  message.accepted = true; // it may come before this returns
  message.accepted = half.sendMessage(outgoing) !== "dropped";
}

/** The request of a step: in the lane of ordinary messages, and in order with them. */
export function ask(journal: Journal, half: Half, client: string, way: Way, bytes: number): void {
  const stream = journal.stream(client, way, "normal", "ordered");
  const message = journal.sends(stream, { asks: true });
  message.accepted = true;
  const payload = textOf(stream, message, bytes);
  half.ask(Kind.Request, "ask", payload, { timeoutMs: patienceMs }).then(
    (reply) => {
      message.reply = reply.status;
      if (reply.status !== "success" || Buffer.compare(reply.payload, payload) === 0) return;
      journal.faults.push(`request ${message.id} of ${client} got the answer of another`);
    },
    () => {
      message.reply = "error"; // it found no room: nobody was asked
      message.accepted = false;
    },
  );
}

function textOf({ client, way, name }: Stream, { id }: Sent, bytes: number): Uint8Array {
  return encoder.encode(`${JSON.stringify([`${client} ${way} ${name}`, id])}${" ".repeat(bytes)}`);
}

/** What is said when all is over, and of nobody. */
export const marker = "all is said";

/** Writes down what came. */
export function note(journal: Journal, text: string, session: string, from: string | undefined): void {
  if (text === marker) return;
  const [key, id] = JSON.parse(text) as [string, number];
  journal.came(key, id, session, from);
}

/** So many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await nextTurn();
}
