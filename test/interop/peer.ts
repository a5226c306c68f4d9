import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { type Deferred, deferred } from "../kit/deferred.js";
import { Inbox } from "../kit/inbox.js";

/** Why something of the peer's ended early, in its own words. */
export interface Failure {
  /** `reset`, `stopped` (streams); `application`, `transport` (closed by us); `local` for the rest. */
  readonly kind: "reset" | "stopped" | "application" | "transport" | "local";
  readonly code: number | null;
  readonly reason: string;
}

/** What the peer tells of itself, by the event's name. */
export interface PeerEvents {
  ready: { readonly address: string };
  accepted: {
    readonly connection: number;
    readonly alpn: string;
    readonly retried: boolean;
    readonly clientCertificates: number;
  };
  refused: { readonly failure: Failure };
  stream: {
    readonly connection: number;
    readonly direction: string;
    readonly bytes: number;
    readonly sha256: string;
    readonly early: boolean;
  };
  streamFailed: { readonly connection: number; readonly failure: Failure };
  datagram: { readonly connection: number; readonly text: string };
  closed: { readonly connection: number; readonly failure: Failure };
  ticket: Readonly<Record<string, never>>;
}

/** A command that the peer could not do, with the failure it reported. */
export class PeerFailure extends Error {
  readonly failure: Failure;

  constructor(op: string, failure: Failure) {
    super(`${op}: ${failure.kind} ${failure.code ?? ""} ${failure.reason}`);
    this.failure = failure;
  }
}

/** Longer than the longest exchange by far. */
const answerMs = 60_000;

type Line =
  | ({ readonly event: keyof PeerEvents } & PeerEvents[keyof PeerEvents])
  | { readonly id: number; readonly result: Record<string, unknown> }
  | { readonly id: number; readonly failure: Failure };

/**
 * A program of another QUIC stack: a command is a line of JSON on its stdin, an answer or event one on its stdout.
 * quinn/src/command.rs and quinn/src/report.rs say which there are.
 */
export class Peer {
  /** Where it is bound. */
  port = 0;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #inboxes = new Map<string, Inbox<unknown>>();
  readonly #answers = new Map<number, Deferred<Record<string, unknown>> & { readonly op: string }>();
  #commands = 0;
  #ended: Error | undefined;

  /** Starts it, and ends it with the test. */
  static async start(t: TestContext, program: readonly string[], args: readonly string[]): Promise<Peer> {
    const peer = new Peer(program, args);
    t.after(() => peer.end());
    const { address } = await peer.event("ready");
    peer.port = Number(/:(\d+)$/.exec(address)?.[1]);
    return peer;
  }

  private constructor([command, ...first]: readonly string[], args: readonly string[]) {
    this.#child = spawn(command!, [...first, ...args]);
    let complaints = "";
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaints += text;
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#hear(JSON.parse(line)));
    const lost = (how: unknown) => this.#lost(new Error(`the peer ended with ${how}: ${complaints}`));
    this.#child.once("error", lost).once("close", (code, signal) => lost(signal ?? code));
    this.#child.stdin.on("error", () => {}); // it has ended, as "close" will say
  }

  /** The next event of that name. */
  async event<Name extends keyof PeerEvents>(name: Name): Promise<PeerEvents[Name]> {
    const value = await this.#inbox(name).take();
    if (value instanceof Error) throw value;
    return value as PeerEvents[Name];
  }

  /**
   * Asks for something.
   * @returns what it answers.
   * @throws PeerFailure
   */
  do(op: string, parameters: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = ++this.#commands;
    const answer = { op, ...deferred<Record<string, unknown>>() };
    this.#answers.set(id, answer);
    this.#child.stdin.write(`${JSON.stringify({ id, op, ...parameters })}\n`);
    const timer = setTimeout(() => answer.reject(new Error(`the peer has not done: ${op}`)), answerMs);
    return answer.promise.finally(() => clearTimeout(timer));
  }

  #hear(line: Line): void {
    if ("event" in line) {
      this.#inbox(line.event).put(line);
      return;
    }
    const answer = this.#answers.get(line.id);
    this.#answers.delete(line.id);
    if ("result" in line) answer?.resolve(line.result);
    else answer?.reject(new PeerFailure(answer.op, line.failure));
  }

  #inbox(name: string): Inbox<unknown> {
    const inbox = this.#inboxes.get(name) ?? new Inbox(`the peer's event ${name}`);
    this.#inboxes.set(name, inbox);
    return inbox;
  }

  #lost(error: Error): void {
    this.#ended = error;
    for (const answer of this.#answers.values()) answer.reject(error);
    for (const inbox of this.#inboxes.values()) inbox.put(error);
  }

  /** Has it close its connections and end. */
  async end(): Promise<void> {
    if (this.#ended !== undefined) return;
    const closed = once(this.#child, "close");
    this.#child.stdin.end();
    await closed;
  }
}
