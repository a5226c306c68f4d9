/** A thread that has a test's servers: their handlers are the test's; each call goes there, and what it answers comes back. */
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import { brotli, deflate, zstd } from "millrace/compression";
import {
  createServer,
  type Message,
  type Middleware,
  RequestFailure,
  refuse,
  type Server,
  type ServerBehaviour,
  type ServerOptions,
  type ServerRequest,
  type Session,
  type Store,
} from "millrace/server";
import { enterGroup } from "#internal/server/threads/group.js";
import { standStill } from "../suite/kit.js";
import {
  errorOf,
  type FarAnswer,
  type FarCall,
  type FarData,
  type FarError,
  type FarServe,
  type FarSession,
  type FarTarget,
  type FarUse,
  type FarVerdict,
  HeardWord,
  plain,
  type ToTest,
  type ToThread,
} from "./far_protocol.js";

const { port, said, heard } = workerData as FarData;
const compressions = { deflate, brotli, zstd };
const servers = new Map<number, FarThreadServer>();
const waiting = new Map<number, (answer: FarAnswer) => void>();
const aborts = new Map<number, AbortController>();
let lastId = 0;
let calls = 0;

function say(what: ToTest): void {
  port.postMessage(what);
  Atomics.add(said, 0, 1);
  Atomics.notify(said, 0);
}

/**
 * Returns when the test's handler has: what the server does next, it does behind that. What the handler wants of the server
 * meanwhile, it gets.
 */
function call(what: FarCall): void {
  say(what);
  calls += 1;
  for (;;) {
    const changes = Atomics.load(heard, HeardWord.changes);
    const received = receiveMessageOnPort(port) as { message: ToThread } | undefined;
    if (received !== undefined) take(received.message);
    else if (Atomics.load(heard, HeardWord.calls) >= calls) return;
    else Atomics.wait(heard, HeardWord.changes, changes);
  }
}

/** Something that was thrown in the test. */
function revived({ message, code }: FarError): Error {
  if (typeof code === "number") return new RequestFailure(message, code);
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}

/** One server, and what of it the test may name. */
class FarThreadServer {
  readonly #task: FarServe;
  readonly #sessions = new Map<string, Session>();
  readonly #messages: Message[] = [];
  #server: Server | undefined;

  constructor(task: FarServe) {
    this.#task = task;
  }

  async begin(): Promise<readonly string[]> {
    const { group, boundUrls, acceptsAlone, options, store, incoming, compression } = this.#task;
    enterGroup({ group, boundUrls, acceptsAlone, listens: () => {} });
    const own: Partial<ServerOptions> = {
      ...(store === undefined ? {} : { store: this.#store(store) }),
      ...(incoming ? { middleware: [this.#middleware()] } : {}),
      compression: compression?.map(({ name, thresholdBytes }) => compressions[name]({ thresholdBytes })),
    };
    this.#server = await createServer({ ...options, ...own }, this.#behaviour());
    return this.#server.urls;
  }

  use({ target, member, args, id }: FarUse): unknown {
    const of = this.#named(target) as Record<string, unknown>;
    if (args === undefined) return this.#toTest(of[member]);
    const real = args.map((arg) => this.#fromTest(arg, id));
    if (member === "sessions") return [...this.#server!].map((session) => this.#described(session));
    const result = (of[member] as (...args: unknown[]) => unknown)(...real);
    const outcome = (result as { outcome?: Promise<unknown> } | undefined)?.outcome;
    const last = outcome ?? result;
    return last instanceof Promise ? last.then((value) => this.#toTest(value)) : this.#toTest(last);
  }

  #named(target: FarTarget): unknown {
    if (target === "server") return this.#server;
    return "session" in target ? this.#sessions.get(target.session) : this.#messages[target.message];
  }

  #fromTest(arg: unknown, id: number): unknown {
    const special = (arg ?? {}) as { far?: string; id?: string; signal?: unknown };
    if (special.far === "session") return this.#sessions.get(special.id!);
    if (special.signal !== "far") return arg;
    const abort = new AbortController();
    aborts.set(id, abort);
    return { ...special, signal: abort.signal };
  }

  #toTest(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((each) => this.#toTest(each));
    const isSession = typeof value === "object" && value !== null && "sendAcked" in value;
    return isSession ? this.#described(value as Session) : plain(value);
  }

  #described(session: Session): FarSession {
    const { id, clientId, data } = session;
    this.#sessions.set(id, session);
    return { far: "session", id, clientId, data };
  }

  #tell(handler: string, session: Session | undefined, args: readonly unknown[], id = 0): void {
    const { server } = this.#task;
    call({
      type: "call",
      id,
      server,
      handler,
      session: session && this.#described(session),
      args: args.map(plain),
    });
  }

  async #ask<Value>(handler: string, session: Session | undefined, args: readonly unknown[]): Promise<Value> {
    lastId += 1;
    const id = lastId;
    const answered = new Promise<FarAnswer>((resolve) => waiting.set(id, resolve));
    this.#tell(handler, session, args, id);
    const { value, thrown } = await answered;
    waiting.delete(id);
    if (thrown !== undefined) throw revived(thrown);
    return value as Value;
  }

  /** The test may confirm it, any time. */
  #kept(message: Message): object {
    const number = this.#messages.push(message.copy()) - 1;
    const { messageId } = message; // which is read only when it is asked for
    return { ...(plain(message) as object), messageId, far: "message", number };
  }

  #store(durability: string): Store {
    return {
      durability: durability as Store["durability"],
      append: (message) => this.#ask("store.append", undefined, [message]),
    };
  }

  #middleware(): Middleware {
    return {
      name: "the test's",
      incoming: async (session, incoming, next) => {
        if (await this.#ask<boolean>("middleware.incoming", session, [incoming])) await next();
      },
    };
  }

  /** Those that the test has, and those by which it knows the sessions. */
  #behaviour(): ServerBehaviour {
    const { handlers, requests } = this.#task;
    const all: ServerBehaviour = {
      authenticate: async ({ clientId, token, tokenText, resuming, meta }, context) => {
        const { transport, remoteAddress, origin } = context;
        const hello = { clientId, token, tokenText, resuming, meta };
        const seen = { transport, remoteAddress, origin, clientId: context.clientId };
        const verdict = await this.#ask<FarVerdict>("authenticate", undefined, [hello, seen]);
        context.clientId = verdict.clientId;
        return verdict.refusal === undefined
          ? verdict.data
          : refuse(verdict.refusal.reason, verdict.refusal.options);
      },
      message: handlers.message
        ? async (session, message) => this.#ask("message", session, [this.#kept(message)])
        : (session, message) => this.#tell("message", session, [this.#kept(message)]),
      subscribe: (session, pattern) => this.#ask("subscribe", session, [pattern]),
      publish: (session, subject, payload) => this.#ask("publish", session, [subject, payload]),
      request: (session, request) => this.#ask("request", session, [request]),
    };
    for (const name of [
      "open",
      "drain",
      "detached",
      "resumed",
      "heartbeatTimeout",
      "close",
      "sent",
      "delivered",
    ]) {
      Object.assign(all, {
        [name]: (session: Session, ...args: unknown[]) => this.#tell(name, session, args),
      });
    }
    Object.assign(all, {
      error: (session: Session | undefined, cause: unknown) => this.#tell("error", session, [cause]),
    });
    const known = Object.entries(all).filter(
      ([name]) => name in handlers || name === "open" || name === "close",
    );
    const answers = Object.keys(requests).map((subject) => [
      subject,
      async (session: Session, request: ServerRequest) =>
        this.#ask(`requests.${subject}`, session, [request]),
    ]);
    return { ...Object.fromEntries(known), requests: Object.fromEntries(answers) } as ServerBehaviour;
  }
}

/** At once, where that can be. */
function answer(id: number, work: () => unknown): void {
  const fail = (cause: unknown): void => say({ type: "answer", id, thrown: errorOf(cause) });
  const succeed = (value: unknown): void => say({ type: "answer", id, value });
  try {
    const value = work();
    if (value instanceof Promise) value.then(succeed, fail).finally(() => aborts.delete(id));
    else succeed(value);
  } catch (cause) {
    fail(cause);
  }
}

function take(what: ToThread): void {
  if (what.type === "answer") waiting.get(what.id)?.(what);
  else if (what.type === "abort") aborts.get(what.id)?.abort();
  else if (what.type === "still") standStill(what.ms);
  else if (what.type === "exit") process.exit();
  else if (what.type === "use") answer(what.id, () => servers.get(what.server)!.use(what));
  else {
    const server = new FarThreadServer(what);
    servers.set(what.server, server);
    answer(what.id, () => server.begin());
  }
}

port.on("message", take);
