import { randomUUID } from "node:crypto";
import type { TestContext } from "node:test";
import { BroadcastChannel } from "node:worker_threads";
import {
  Refusal,
  RequestFailure,
  type Server,
  type ServerBehaviour,
  type ServerOptions,
  type Session,
  startWorkers,
  type WorkerGroup,
} from "millrace/server";
import { identity } from "../../transport/suite/kit.js";
import { type SessionKit, type SessionsUnderTest, sessionKit } from "../suite/kit.js";
import type { FarAnswer, FarCall, FarData, FarHello, FarSession, FarVerdict } from "./far_protocol.js";
import { moduleNamed } from "./kit.js";

const threads = 3;

/** The suite's kit, whose servers are three threads each; the handlers are the test's still, and called in its thread. */
export function farKit(under: SessionsUnderTest): SessionKit {
  const near = sessionKit(under);
  return {
    under,
    join: near.join,
    async serve(t, behaviour, options = {}) {
      return (await FarServer.start(t, under.url, behaviour, options)) as unknown as Server<never> as never;
    },
  };
}

/** What the tests of the suite use of a `Server`: of one in three threads. */
class FarServer<Data> {
  readonly #behaviour: ServerBehaviour<Data>;
  readonly #channel: BroadcastChannel;
  readonly #connections = new Int32Array(new SharedArrayBuffer(4 * threads));
  readonly #sessions = new Map<string, Session<Data>>();
  #group!: WorkerGroup;

  static async start<Data>(
    t: TestContext,
    url: string,
    behaviour: ServerBehaviour<Data>,
    options: Partial<ServerOptions<Data>>,
  ): Promise<FarServer<Data>> {
    const channel = randomUUID();
    const server = new FarServer(behaviour, channel);
    const { maxSessions = 64, ...rest } = options;
    const workerData: FarData = {
      channel,
      options: { listen: url, tls: identity, ...rest } as FarData["options"],
      handlers: Object.keys(behaviour),
      requests: Object.keys(behaviour.requests ?? {}),
      connections: server.#connections,
      order: new Int32Array(new SharedArrayBuffer(4)),
    };
    const request = { module: moduleNamed("far_app"), workers: threads, maxSessions, workerData };
    server.#group = await startWorkers(request);
    t.after(() => server.close({ graceful: false }));
    return server;
  }

  private constructor(behaviour: ServerBehaviour<Data>, channel: string) {
    this.#behaviour = behaviour;
    this.#channel = new BroadcastChannel(channel);
    this.#channel.onmessage = (event) => {
      const call = (event as { data: FarCall }).data;
      if (call.to === "test") void this.#take(call);
    };
  }

  get urls(): readonly string[] {
    return this.#group.urls;
  }

  get sessionCount(): number {
    return this.#group.sessionCount;
  }

  get connectionCount(): number {
    return this.#connections.reduce((sum, count) => sum + count, 0);
  }

  session(id: string): Session<Data> | undefined {
    return this.#sessions.get(id);
  }

  sessionsOf(clientId: string): readonly Session<Data>[] {
    return [...this.#sessions.values()].filter((session) => session.clientId === clientId);
  }

  sendTo(...args: Parameters<WorkerGroup["sendTo"]>) {
    return this.#group.sendTo(...args);
  }

  request(...args: Parameters<WorkerGroup["request"]>) {
    return this.#group.request(...args);
  }

  broadcast(...args: Parameters<WorkerGroup["broadcast"]>) {
    return this.#group.broadcast(...args);
  }

  closeSession(...args: Parameters<WorkerGroup["closeSession"]>) {
    return this.#group.closeSession(...args);
  }

  async close(...args: Parameters<WorkerGroup["close"]>): Promise<void> {
    await this.#group.close(...args);
    this.#channel.close();
  }

  async #take(call: FarCall): Promise<void> {
    const { thread, id, handler } = call;
    let answer: Omit<FarAnswer, "to" | "thread" | "id">;
    try {
      answer = { value: await this.#call(call) };
    } catch (cause) {
      const code = cause instanceof RequestFailure ? cause.code : undefined;
      answer = { thrown: { message: (cause as Error).message, code } };
      if (id === 0) throw new Error(`the handler "${handler}" of the test threw`, { cause });
    }
    if (id !== 0) this.#channel.postMessage({ to: "thread", thread, id, ...answer } satisfies FarAnswer);
  }

  #call({ handler, session: far, args }: FarCall): unknown {
    const session = far && this.#sessionOf(far);
    if (handler === "close") this.#sessions.delete(far!.id);
    if (handler === "authenticate") return this.#judge(args as [FarHello, { clientId?: string }]);
    if (handler.startsWith("requests.")) {
      const [payload] = args as [Uint8Array];
      const answer = this.#behaviour.requests![handler.slice("requests.".length)]!;
      return answer(session!, { payload, text: () => Buffer.from(payload).toString() } as never);
    }
    if (handler === "message") {
      const [message] = args as [{ payload: Uint8Array }];
      const text = () => Buffer.from(message.payload).toString();
      return this.#behaviour.message?.(session!, { ...message, text } as never);
    }
    const known = this.#behaviour[handler as keyof ServerBehaviour<Data>] as
      | ((...all: unknown[]) => unknown)
      | undefined;
    return known?.call(this.#behaviour, session, ...args);
  }

  async #judge([hello, context]: [FarHello, { clientId?: string }]): Promise<FarVerdict> {
    const judged = await this.#behaviour.authenticate!(hello as never, context as never);
    const isRefused = judged instanceof Refusal;
    return { data: isRefused ? undefined : judged, isRefused, clientId: context.clientId };
  }

  #sessionOf({ id, clientId, transport, data }: FarSession): Session<Data> {
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    const session = {
      ...{ id, clientId, transport, data },
      send: (...args: Parameters<Session["send"]>) => this.#group.sendTo(id, ...args),
      request: (...args: Parameters<Session["request"]>) => this.#group.request(id, ...args),
      close: (...args: Parameters<Session["close"]>) => this.#group.closeSession(id, ...args),
    } as unknown as Session<Data>;
    this.#sessions.set(id, session);
    return session;
  }
}
