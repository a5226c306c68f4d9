import { once } from "node:events";
import type { TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import type * as quic from "millrace/quic";
import { rawAlpn } from "./loopback.js";

/** What a thread is asked to do. */
export interface SharedTask {
  readonly options: quic.QuicListenOptions;
  /** What `authenticate` answers; none where left out. */
  readonly letsIn?: boolean | undefined;
  /** What early data waits for; "hold" where left out. */
  readonly earlyData?: quic.EarlyDataDecision | undefined;
}

export type SharedCommand =
  | { readonly method: "listen"; readonly task: SharedTask }
  | { readonly method: "updateTls"; readonly tls: quic.ServerTlsOptions }
  | { readonly method: "setTicketKeys"; readonly keys: readonly quic.TicketKey[] }
  | { readonly method: "refused" }
  | { readonly method: "close" };

/** An answer to the oldest command that has none, or what happened. */
export type SharedMessage =
  | { readonly value: unknown }
  | { readonly code: string }
  | { readonly event: "open" | "asked" | "effect"; readonly text: string };

/** A thread that shares a listener. */
export class SharedThread {
  /** The port that it listens on. */
  port = 0;
  /** Connections that have opened there. */
  opened = 0;
  /** How often its `authenticate` was asked. */
  asked = 0;
  /** What streams there have brought, each to its end. */
  readonly effects: string[] = [];
  readonly #worker: Worker;
  readonly #answers: ((message: { value?: unknown; code?: string }) => void)[] = [];

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (message: SharedMessage) => {
      if (!("event" in message)) this.#answers.shift()!(message);
      else if (message.event === "effect") this.effects.push(message.text);
      else if (message.event === "open") this.opened += 1;
      else this.asked += 1;
    });
  }

  static async start(t: TestContext): Promise<SharedThread> {
    const worker = new Worker(new URL("./shared_thread_worker.js", import.meta.url));
    t.after(() => worker.terminate());
    await once(worker, "online");
    return new SharedThread(worker);
  }

  /** Listens on 127.0.0.1; @returns undefined, or the code of the error. */
  async listen(
    options: Partial<quic.QuicListenOptions> & Pick<quic.QuicListenOptions, "tls">,
    behaviour: Omit<SharedTask, "options"> = {},
  ): Promise<string | undefined> {
    const common = { host: "127.0.0.1", port: 0, alpn: [rawAlpn], shared: true };
    const task = { options: { ...common, ...options }, ...behaviour };
    const { code, value } = await this.#ask({ method: "listen", task });
    if (code === undefined) this.port = value as number;
    return code;
  }

  async updateTls(tls: quic.ServerTlsOptions): Promise<string | undefined> {
    return (await this.#ask({ method: "updateTls", tls })).code;
  }

  async setTicketKeys(keys: readonly quic.TicketKey[]): Promise<string | undefined> {
    return (await this.#ask({ method: "setTicketKeys", keys })).code;
  }

  async refused(): Promise<quic.RefusedConnections> {
    return (await this.#ask({ method: "refused" })).value as quic.RefusedConnections;
  }

  /** Leaves the listener; connections stay. */
  async close(): Promise<void> {
    await this.#ask({ method: "close" });
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(command: SharedCommand): Promise<{ value?: unknown; code?: string }> {
    return new Promise((resolve) => {
      this.#answers.push(resolve);
      this.#worker.postMessage(command);
    });
  }
}
