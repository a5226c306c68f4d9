import { setImmediate as nextTurn } from "node:timers/promises";
import type { Transport } from "millrace";
import { type ClientSession, connectSession } from "millrace/client";
import type { Outgoing } from "#internal/delivery/outbound.js";
import type { SessionHalf } from "#internal/delivery/session_half.js";
import { Kind } from "#internal/frame/frame.js";
import { authority } from "../../transport/suite/kit.js";
import type { Journal, Sent, Stream } from "./journal.js";
import { Link } from "./link.js";
import type { Setting, Step, Way } from "./step.js";

type Send = Extract<Step, { do: "send" }>;

/** What of a session's end the proof sends with: more than its owner is meant to use. */
export type Half = SessionHalf & { readonly clientId: string | undefined };

const encoder = new TextEncoder();
/** Nothing here takes so long, but what hangs. */
const patienceMs = 20_000;

/** One client, whose sessions come and go. */
export class Player {
  readonly name: string;
  readonly link: Link;
  readonly #journal: Journal;
  readonly #setting: Setting;
  readonly #transports: readonly Transport[];
  /** Where it can connect to, this server or the next one. */
  urls: readonly string[] = [];
  session: ClientSession | undefined = undefined;
  /** The connecting that goes on. */
  resuming: Promise<void> | undefined = undefined;

  private constructor(
    name: string,
    link: Link,
    journal: Journal,
    setting: Setting,
    transports: readonly Transport[],
  ) {
    this.name = name;
    this.link = link;
    this.#journal = journal;
    this.#setting = setting;
    this.#transports = transports;
  }

  static async make(
    name: string,
    journal: Journal,
    setting: Setting,
    transports: readonly Transport[],
  ): Promise<Player> {
    return new Player(name, await Link.open(), journal, setting, transports);
  }

  /** Begins a session where there is none. */
  async connect(over: number): Promise<void> {
    const { name: clientId } = this;
    const { windowBytes, replayBytes } = this.#setting;
    const journal = this.#journal;
    this.session = await connectSession(
      this.#url(over),
      {
        ...{ clientId, windowBytes, replayBytes, queueBytes: 65_536, highWaterMarkBytes: 8_192 },
        ...{ transports: this.#transports, tls: { ca: authority.certificate } },
        ...{ connectTimeoutMs: patienceMs, requestTimeoutMs: patienceMs },
      },
      {
        message: (session, message) => note(journal, message.text(), session.id, clientId),
        request: (session, request) => {
          note(journal, request.text(), session.id, clientId);
          return request.payload;
        },
        publication: (_session, { text }) => journal.heard(clientId, Number(text())),
        gap: () => journal.heard(clientId, "gap"),
        close: (session) => {
          if (this.session === session) this.session = undefined;
          journal.lost(clientId, "up");
        },
        error: (_session, cause) => journal.faults.push(`${clientId}: ${cause}`),
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
    const goesOn = await session.resume(this.#url(over));
    if (!goesOn) this.#journal.lost(this.name, "up");
    if (goesOn !== (session.id === id)) {
      this.#journal.faults.push(
        `${this.name}: resume said ${goesOn}, and the session was ${id}, now ${session.id}`,
      );
    }
  }

  #url(over: number): string {
    const url = this.urls[over % this.urls.length]!;
    return url.startsWith("tcp://") ? `tcp://127.0.0.1:${this.link.port}` : url;
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
    await this.link.close();
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
