import type { SendResult } from "millrace";
import type { AuthenticateContext, ClientHello } from "#internal/server/behaviour.js";
import type { Incoming, Middleware, OutgoingMessage } from "#internal/server/middleware.js";
import { Refusal } from "#internal/server/refusal.js";
import type { Session, SessionEnd } from "#internal/server/session.js";

const encoder = new TextEncoder();

/** A hello of a client. */
export function hello(token: string | Uint8Array = "", clientId?: string): ClientHello {
  const bytes = typeof token === "string" ? encoder.encode(token) : token;
  return {
    clientId,
    token: bytes,
    tokenText: new TextDecoder().decode(bytes),
    meta: new Map(),
    resuming: false,
  };
}

/** Where a hello came from. */
export function context(address = "192.0.2.1", clientId?: string): AuthenticateContext {
  return {
    transport: "tcp",
    remoteAddress: { address, family: address.includes(":") ? "ipv6" : "ipv4", port: 4000 },
    origin: undefined,
    peerCertificate: undefined,
    signal: new AbortController().signal,
    confirmed: Promise.resolve(),
    clientId,
  };
}

/** What the middleware in a test are given as session. */
export class FakeSession {
  readonly id = "0123456789abcdef0123456789abcdef";
  readonly clientId: string | undefined;
  readonly transport = "tcp";
  readonly remoteAddress = { address: "192.0.2.1", family: "ipv4" as const, port: 4000 };
  readonly closes: unknown[] = [];

  constructor(clientId?: string) {
    this.clientId = clientId;
  }

  close(options: unknown): void {
    this.closes.push(options);
  }

  get session(): Session<string> {
    return this as unknown as Session<string>;
  }
}

/** What comes in. */
export function incoming(
  kind: Incoming["kind"],
  subject: string | undefined,
  payload: string | Uint8Array = "",
  type = 0,
): Incoming & { readonly rests: number[] } {
  const rests: number[] = [];
  return {
    kind,
    type,
    subject,
    meta: [],
    payload: typeof payload === "string" ? encoder.encode(payload) : payload,
    rests,
    rest: async (ms: number) => void rests.push(ms),
  };
}

/** Has a middleware judge a client that would be let in with the data "in", and whose session begins then. */
export async function connectBy(
  middleware: Middleware<string>,
  given: ClientHello,
  where = context(),
): Promise<string | Refusal> {
  const answer = await middleware.connect!(given, where, async () => "in");
  if (!(answer instanceof Refusal)) middleware.settled?.(given, where, undefined);
  return answer;
}

/** Passes something in; says what came of it, and whether it got to the handler. */
export function pass(
  middleware: Middleware<string>,
  session: FakeSession,
  what: Incoming,
  handler: () => unknown = () => "handled",
): unknown {
  return middleware.incoming!(session.session, what, handler);
}

export function send(
  middleware: Middleware<string>,
  session: FakeSession,
  what: OutgoingMessage,
  result: SendResult = "sent",
): SendResult {
  return middleware.outgoing!(session.session, what, () => result);
}

export function close(middleware: Middleware<string>, session: FakeSession, end: SessionEnd): void {
  middleware.close!(session.session, end, () => undefined);
}
