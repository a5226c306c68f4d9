/** A server in a thread, whose handlers are the test's: each call goes there, and what it answers comes back. */
import { BroadcastChannel, threadId, workerData } from "node:worker_threads";
import {
  createServer,
  RequestFailure,
  refuse,
  type ServerBehaviour,
  type ServerOptions,
  type Session,
} from "millrace/server";
import type { FarAnswer, FarCall, FarData, FarHello, FarSession, FarVerdict } from "./far_protocol.js";

const { channel, options, handlers, requests, connections, order } = workerData as FarData;
const calls = new BroadcastChannel(channel);
const waiting = new Map<number, (answer: FarAnswer) => void>();
const number = Atomics.add(order, 0, 1);
let lastId = 0;

calls.onmessage = (event) => {
  const answer = (event as { data: FarAnswer }).data;
  if (answer.to === "thread" && answer.thread === threadId) waiting.get(answer.id)?.(answer);
};

function described({ id, clientId, transport, data }: Session): FarSession {
  return { id, clientId, transport, data };
}

function tell(handler: string, session: Session | undefined, args: readonly unknown[], id = 0): void {
  const call: FarCall = {
    ...{ to: "test", thread: threadId, id, handler, args },
    session: session && described(session),
  };
  calls.postMessage(call);
}

async function ask<Value>(
  handler: string,
  session: Session | undefined,
  args: readonly unknown[],
): Promise<Value> {
  lastId += 1;
  const id = lastId;
  const answered = new Promise<FarAnswer>((resolve) => waiting.set(id, resolve));
  tell(handler, session, args, id);
  const { value, thrown } = await answered;
  waiting.delete(id);
  if (thrown === undefined) return value as Value;
  throw thrown.code === undefined
    ? new Error(thrown.message)
    : new RequestFailure(thrown.message, thrown.code);
}

const bytesOf = (bytes: Uint8Array) => Uint8Array.from(bytes);

const all: ServerBehaviour = {
  async authenticate({ clientId, token, tokenText, resuming }, context) {
    const { transport, remoteAddress, origin } = context;
    const hello: FarHello = { clientId, token: bytesOf(token), tokenText, resuming };
    const seen = { transport, remoteAddress, origin, clientId: context.clientId };
    const verdict = await ask<FarVerdict>("authenticate", undefined, [hello, seen]);
    context.clientId = verdict.clientId;
    return verdict.isRefused ? refuse() : verdict.data;
  },
  message(session, { type, subject, payload, meta, sequence, lane }) {
    tell("message", session, [{ type, subject, payload: bytesOf(payload), meta, sequence, lane }]);
  },
  subscribe: (session, pattern) => ask("subscribe", session, [pattern]),
  publish: (session, subject, payload) => ask("publish", session, [subject, bytesOf(payload)]),
  open: (session) => tell("open", session, []),
  drain: (session) => tell("drain", session, []),
  detached: (session) => tell("detached", session, []),
  resumed: (session, data) => tell("resumed", session, [data]),
  heartbeatTimeout: (session) => tell("heartbeatTimeout", session, []),
  close: (session, end) => tell("close", session, [end]),
  error: (session, cause) => tell("error", session, [cause instanceof Error ? cause.message : String(cause)]),
};

/** Those that the test has, and those by which it knows the sessions. */
const known = Object.fromEntries(
  Object.entries(all).filter(([name]) => handlers.includes(name) || name === "open" || name === "close"),
) as ServerBehaviour;

createServer(options as ServerOptions, {
  ...known,
  requests: Object.fromEntries(
    requests.map((subject) => [
      subject,
      (session: Session, request: { readonly payload: Uint8Array }) =>
        ask<string | Uint8Array>(`requests.${subject}`, session, [bytesOf(request.payload)]),
    ]),
  ),
}).then(
  (server) => {
    setInterval(() => Atomics.store(connections, number, server.connectionCount), 5);
  },
  (cause) => {
    setImmediate(() => {
      throw cause;
    });
  },
);
