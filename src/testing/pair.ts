import type { ClientBehaviour } from "../client/behaviour.js";
import type { ClientOptions } from "../client/options.js";
import type { ClientSession } from "../client/session.js";
import { InvalidArgumentError } from "../errors.js";
import { readOptions } from "../options/read.js";
import { flag, isObject, object, oneOf, option, optional, withDefault } from "../options/schema.js";
import type { ServerBehaviour } from "../server/behaviour.js";
import type { ServerOptions } from "../server/options.js";
import type { Plugin } from "../server/plugin.js";
import type { Server } from "../server/server.js";
import type { Session } from "../server/session.js";
import { Authority } from "./authority.js";
import { createRelay, type Relay } from "./relay.js";
import { createStreamRelay, type StreamRelay } from "./stream_relay.js";

/** What a pair can be connected by. */
export type PairScheme = "quic" | "wss" | "ws" | "tls" | "tcp";

/** What a pair is made of. All of it can be left out. */
export interface PairOptions<Scheme extends PairScheme = PairScheme, Data = unknown, Events = unknown> {
  /** `tcp` by default. */
  readonly scheme?: Scheme | undefined;
  /** Beside `listen` and `tls`, which are the pair's own. */
  readonly server?: Omit<ServerOptions<NoInfer<Data>>, "listen" | "tls"> | undefined;
  readonly serverBehaviour?: ServerBehaviour<Data, Events> | undefined;
  /** Beside `tls`. */
  readonly client?: Omit<ClientOptions, "tls"> | undefined;
  readonly clientBehaviour?: ClientBehaviour<Events> | undefined;
  /** Puts a relay between them. Default false. */
  readonly relay?: boolean | undefined;
}

/** A server, and a client that is connected to it. */
export interface Pair<Scheme extends PairScheme = PairScheme, Data = unknown, Events = unknown>
  extends AsyncDisposable {
  readonly server: Server<Data, Events>;
  /** The client's session, as its client has it. */
  readonly client: ClientSession<Events>;
  /** The same one, as its server has it. */
  readonly session: Session<Data, Events>;
  /** Where the client has connected to: the relay, where there is one. */
  readonly url: string;
  /** Trusts the server's certificate: the `ca` of further clients. */
  readonly ca: string;
  /** What is between them; undefined where that was not asked for. */
  readonly relay: (Scheme extends "quic" ? Relay : StreamRelay) | undefined;
  /** Ends all of it at once. Idempotent. */
  close(): Promise<void>;
}

const anObject = option<object>("an object", isObject);
const schema = object({
  scheme: withDefault(oneOf("quic", "wss", "ws", "tls", "tcp"), "tcp" as PairScheme),
  server: withDefault(anObject, {}),
  serverBehaviour: withDefault(anObject, {}),
  client: withDefault(anObject, {}),
  clientBehaviour: optional(anObject),
  relay: withDefault(flag, false),
} satisfies Record<keyof PairOptions, unknown>);

/**
 * Makes a server on this machine, and a client that is connected to it, and trusts it.
 * @throws InvalidArgumentError; what `createServer` and `connect` throw
 */
export async function createPair<Scheme extends PairScheme = "tcp", Data = unknown, Events = unknown>(
  options: PairOptions<Scheme, Data, Events> = {},
): Promise<Pair<Scheme, Data, Events>> {
  const read = readOptions(schema, options);
  for (const [side, names] of [
    [read.server, ["listen", "tls"]],
    [read.client, ["tls"]],
  ] as const) {
    const own = names.find((name) => name in side);
    if (own !== undefined) throw new InvalidArgumentError(`${own} is the pair's own; leave it out`);
  }
  const closers: (() => Promise<unknown>)[] = [];
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= endAll(closers);
    return closed;
  };
  try {
    const made = await make(read.scheme, options as PairOptions, read.relay, closers);
    return { ...made, close, [Symbol.asyncDispose]: close } as unknown as Pair<Scheme, Data, Events>;
  } catch (cause) {
    await close();
    throw cause;
  }
}

/** @param closers is given what ends each part as soon as that is there. */
async function make(
  scheme: PairScheme,
  options: PairOptions,
  withRelay: boolean,
  closers: (() => Promise<unknown>)[],
) {
  // Who wants a relay or a certificate alone loads neither servers nor clients.
  const [{ createServer }, { connect }] = await Promise.all([
    import("../server/create_server.js"),
    import("../client/index.js"),
  ]);
  const { server: serverOptions, serverBehaviour = {}, client: clientOptions, clientBehaviour } = options;
  const authority = await Authority.make();
  const tls = scheme === "tcp" || scheme === "ws" ? {} : { tls: await authority.issue() };
  let opened: (session: Session) => void = () => {};
  const session = new Promise<Session>((resolve) => {
    opened = resolve;
  });
  const watch: Plugin = { name: "the session of a pair", hooks: { open: (begun) => opened(begun) } };
  const server = await createServer(
    {
      ...serverOptions,
      ...tls,
      listen: [`${scheme}://127.0.0.1:0`],
      plugins: [...(serverOptions?.plugins ?? []), watch],
    },
    serverBehaviour,
  );
  closers.push(() => server.close({ graceful: false }));
  const [target] = server.addresses;
  const relay = withRelay
    ? await (scheme === "quic" ? createRelay : createStreamRelay)({ target: target! })
    : undefined;
  if (relay !== undefined) closers.push(() => relay.close());
  const url = `${scheme}://127.0.0.1:${(relay ?? { address: target! }).address.port}`;
  const ca = authority.certificate;
  const trust = "tls" in tls ? { tls: { ca } } : {};
  const client = await connect(url, { ...clientOptions, ...trust }, clientBehaviour);
  closers.push(() => client.close({ graceful: false }));
  return { server, client, session: await session, url, ca, relay };
}

/** The last that came goes first. */
async function endAll(closers: (() => Promise<unknown>)[]): Promise<void> {
  for (const close of closers.reverse()) await close();
}
