import {
  FailureCode,
  Refusal,
  RequestFailure,
  type Server,
  type ServerBehaviour,
  type ServerOptions,
  type Session,
  type SessionFilter,
} from "millrace/server";
import { Peers } from "#internal/server/threads/peers.js";
import {
  errorOf,
  type FarAnswer,
  type FarCall,
  type FarError,
  type FarSession,
  type FarTarget,
  type FarVerdict,
} from "./far_protocol.js";
import { type FarThread, revived } from "./far_thread.js";

type Handler = (...args: unknown[]) => unknown;
type Handlers = Readonly<Record<string, Handler | undefined>>;

const asynchronous: ReadonlySet<string> = new Set(["request", "sendAcked", "close", "reauthorise", "list"]);
const methods: ReadonlySet<string> = new Set([...asynchronous, "send"]);
let lastNumber = 0;

/** What the tests of the suite use of a `Server`: of a group of threads, whose handlers are called in the test's own. */
export class FarServer<Data> {
  readonly number: number;
  readonly #threads: readonly FarThread[];
  readonly #behaviour: ServerBehaviour<Data>;
  readonly #options: Partial<ServerOptions<Data>>;
  readonly #peers: Peers;
  readonly #sessions = new Map<string, Session<Data>>();
  readonly #askers = new Map<string, FarThread>();
  #turn = 0;
  #isOnTheWay = false;
  #closed: Promise<void> | undefined;
  urls: readonly string[] = [];

  constructor(
    threads: readonly FarThread[],
    behaviour: ServerBehaviour<Data>,
    options: Partial<ServerOptions<Data>>,
  ) {
    lastNumber += 1;
    this.number = lastNumber;
    this.#threads = threads;
    this.#behaviour = behaviour;
    this.#options = options;
    const { maxSessions = 64 } = options;
    this.#peers = Peers.create({ maxSessions, maxEnvironments: threads.length + 1 });
    this.#peers.countSessions(-1); // this thread has none
  }

  /** The first thread alone, which gets the port; then the others. */
  async start(): Promise<void> {
    const { store, middleware, compression, ...options } = this.#options;
    const task = {
      ...({ type: "serve", server: this.number, group: this.#peers.group, options } as const),
      handlers: asyncness(this.#behaviour),
      requests: asyncness(this.#behaviour.requests ?? {}),
      store: store?.durability,
      incoming: middleware !== undefined,
      compression: compression?.map(({ name, thresholdBytes }) => ({ name, thresholdBytes })),
    };
    const [first, ...others] = this.#threads as readonly [FarThread, ...FarThread[]];
    const begin = (thread: FarThread) =>
      thread.ask({ ...task, boundUrls: this.urls, acceptsAlone: thread === first } as never);
    this.urls = (await begin(first)) as readonly string[];
    await Promise.all(others.map(begin));
  }

  get sessionCount(): number {
    return this.#peers.sessionsOfOthers;
  }

  get connectionCount(): number {
    return this.#sum("connectionCount");
  }

  get counters(): Record<string, number> {
    return this.#sums("counters");
  }

  get topicStatistics(): Record<string, number> {
    return this.#sums("topicStatistics");
  }

  session(id: string): Session<Data> | undefined {
    for (const thread of this.#threads) {
      const found = this.#now(thread, "server", "session", [id]);
      if (found !== undefined) return this.#sessionOf(thread, found as FarSession);
    }
    return undefined;
  }

  sessionsOf(clientId: string): readonly Session<Data>[] {
    return this.#all("sessionsOf", [clientId]);
  }

  sessions({ where, clientId }: SessionFilter<Data> = {}) {
    const sessions = this.#all("sessions", []).filter(
      (session) =>
        (where === undefined || where(session)) && (clientId === undefined || session.clientId === clientId),
    );
    return { sessions, cursor: 0 };
  }

  sendTo(...args: unknown[]): unknown {
    return this.#now(this.#askerOf(args[0]), "server", "sendTo", args);
  }

  request(...args: unknown[]): unknown {
    return this.#later(this.#askerOf(args[0]), "server", "request", args);
  }

  broadcast(...args: unknown[]): unknown {
    return this.#now(this.#next, "server", "broadcast", args);
  }

  closeSession(...args: unknown[]): unknown {
    return this.#now(this.#askerOf(args[0]), "server", "closeSession", args);
  }

  revoke(...args: unknown[]): unknown {
    return this.#now(this.#next, "server", "revoke", args);
  }

  /** What is to be other options is so in each thread. */
  async reload(...args: unknown[]): Promise<void> {
    await Promise.all(this.#threads.map((thread) => this.#later(thread, "server", "reload", args)));
  }

  /** Nobody counts the recipients in all threads. */
  publish(...args: unknown[]): unknown {
    const use = { type: "use", server: this.number, target: "server", member: "publish", args } as const;
    const published = this.#next.askNow(use) as object;
    this.#isOnTheWay = true;
    return { ...published, recipients: undefined };
  }

  /** What was published has come to all threads: answers come behind it, on the same ways. */
  #settle(): void {
    if (!this.#isOnTheWay) return;
    this.#isOnTheWay = false;
    for (const thread of this.#threads) this.#now(thread, "server", "list", []);
  }

  subscribe(session: Session<Data>, ...args: unknown[]): unknown {
    const owner = this.#threads.find(
      (thread) => this.#now(thread, "server", "session", [session.id]) !== undefined,
    );
    return this.#now(owner!, "server", "subscribe", [{ far: "session", id: session.id }, ...args]);
  }

  async close(...args: unknown[]): Promise<void> {
    this.#closed ??= this.#close(args);
    await this.#closed;
  }

  async #close(args: readonly unknown[]): Promise<void> {
    await Promise.all(this.#threads.map((thread) => this.#later(thread, "server", "close", args)));
    this.#peers.close();
  }

  /** A handler of the test is called. */
  async take(thread: FarThread, { id, handler, session: far, args }: FarCall): Promise<void> {
    let answer: Omit<FarAnswer, "type" | "id">;
    try {
      const session = far && this.#sessionOf(thread, far);
      answer = {
        value: await this.#call(
          handler,
          session,
          args.map((arg) => this.#fromThread(thread, arg)),
        ),
      };
    } catch (cause) {
      if (id === 0) throw new Error(`the handler "${handler}" of the test threw`, { cause });
      const code = cause instanceof RequestFailure ? cause.code : undefined;
      answer = { thrown: { ...errorOf(cause), ...(code === undefined ? {} : { code }) } };
    }
    if (id !== 0) thread.tell({ type: "answer", id, ...answer });
  }

  #call(handler: string, session: Session<Data> | undefined, args: readonly unknown[]): unknown {
    if (handler === "authenticate") return this.#judge(args[0], args[1] as { clientId?: string });
    if (handler === "store.append") return this.#options.store!.append(args[0] as never);
    if (handler === "middleware.incoming") return this.#goesOn(session!, args[0]);
    const subject = handler.startsWith("requests.") ? handler.slice("requests.".length) : undefined;
    const handlers = (subject === undefined ? this.#behaviour : this.#behaviour.requests) as Handlers;
    return handlers[subject ?? handler]?.call(this.#behaviour, session, ...args);
  }

  async #goesOn(session: Session<Data>, incoming: unknown): Promise<boolean> {
    let goesOn = false;
    const [layer] = this.#options.middleware!;
    await layer!.incoming!(session, incoming as never, () => {
      goesOn = true;
    });
    return goesOn;
  }

  async #judge(hello: unknown, context: { clientId?: string }): Promise<FarVerdict> {
    const judged = await this.#behaviour.authenticate!(hello as never, context as never);
    const { clientId } = context;
    if (!(judged instanceof Refusal)) return { data: judged, refusal: undefined, clientId };
    const { reason, ...options } = judged;
    return { data: undefined, refusal: { reason, options: { ...options } }, clientId };
  }

  get #next(): FarThread {
    this.#turn = (this.#turn + 1) % this.#threads.length;
    return this.#threads[this.#turn]!;
  }

  /** Of one target always the same, so that what it is sent stays in order. */
  #askerOf(target: unknown): FarThread {
    const known = this.#askers.get(JSON.stringify(target)) ?? this.#next;
    this.#askers.set(JSON.stringify(target), known);
    return known;
  }

  #now(thread: FarThread, target: FarTarget, member: string, args?: readonly unknown[]): unknown {
    this.#settle();
    return thread.askNow({ type: "use", server: this.number, target, member, args });
  }

  #later(thread: FarThread, target: FarTarget, member: string, args: readonly unknown[]): Promise<unknown> {
    this.#settle();
    const signal = args.map((arg) => (arg as { signal?: AbortSignal } | undefined)?.signal).find(Boolean);
    const sendable = args.map((arg) =>
      signal !== undefined && (arg as { signal?: AbortSignal } | undefined)?.signal === signal
        ? { ...(arg as object), signal: "far" }
        : arg,
    );
    return thread.ask({ type: "use", server: this.number, target, member, args: sendable }, signal);
  }

  #all(member: string, args: readonly unknown[]): Session<Data>[] {
    return this.#threads.flatMap((thread) =>
      (this.#now(thread, "server", member, args) as FarSession[]).map((far) => this.#sessionOf(thread, far)),
    );
  }

  #sum(member: string): number {
    return this.#threads.reduce((sum, thread) => sum + (this.#now(thread, "server", member) as number), 0);
  }

  #sums(member: string): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const thread of this.#threads) {
      for (const [name, value] of Object.entries(this.#now(thread, "server", member) as object)) {
        sums[name] = (sums[name] ?? 0) + (value as number);
      }
    }
    return sums;
  }

  #fromThread(thread: FarThread, arg: unknown): unknown {
    if (typeof arg !== "object" || arg === null) return arg;
    const { far, number, payload } = arg as { far?: string; number?: number; payload?: Uint8Array };
    if (far === "error") return revived(arg as FarError);
    if (payload === undefined) return arg;
    const text = (): string => Buffer.from(payload).toString();
    const message = {
      ...arg,
      text,
      json: () => parsed(text()),
      copy: () => message,
      confirm: (level: string) => this.#now(thread, { message: number! }, "confirm", [level]),
      reject: (...why: unknown[]) => this.#now(thread, { message: number! }, "reject", why),
    };
    return message;
  }

  /** What it is now, it is asked each time. */
  #sessionOf(thread: FarThread, { id, clientId, data }: FarSession): Session<Data> {
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    const target = { session: id };
    const fixed: Record<string, unknown> = { id, clientId, data };
    const session = new Proxy(fixed, {
      get: (_fixed, member) => {
        if (typeof member === "symbol" || member === "then") return undefined;
        if (member in fixed) return fixed[member];
        if (!methods.has(member)) return this.#now(thread, target, member);
        const use = asynchronous.has(member) ? this.#later.bind(this) : this.#now.bind(this);
        return (...args: unknown[]) => use(thread, target, member, args);
      },
    }) as unknown as Session<Data>;
    this.#sessions.set(id, session);
    return session;
  }
}

/** As requests say it. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RequestFailure(`no JSON: ${(cause as Error).message}`, FailureCode.malformed);
  }
}

/** Which of some handlers are asynchronous: that is what a server does otherwise for. */
function asyncness(handlers: object): Record<string, boolean> {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [
      name,
      (handler as object).constructor.name === "AsyncFunction",
    ]),
  );
}

/** As the suite's kit has it. */
export function asServer<Data>(server: FarServer<Data>): Server<Data> {
  return server as unknown as Server<Data>;
}
