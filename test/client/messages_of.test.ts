import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { AbortedError, InvalidArgumentError, ReaderLockedError } from "millrace";
import {
  type ClientBehaviour,
  type ClientOptions,
  type ClientSession,
  type Messages,
  messagesOf,
  type ReceivedMessage,
} from "millrace/client";
import { createServer, type ServerBehaviour, type Session } from "millrace/server";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { identity } from "../transport/suite/kit.js";
import { joined } from "./joined.js";

interface Said {
  readonly events: { readonly liked: { readonly likes: number }; readonly joined: { readonly name: string } };
}

const tcp = "tcp://127.0.0.1:0";
const windowBytes = 4_096;

async function serve(t: TestContext, behaviour: ServerBehaviour = {}, listen = tcp) {
  const tls = /^(quic|wss|tls)/.test(listen) ? { tls: identity } : {};
  const server = await createServer({ listen, ...tls }, behaviour);
  t.after(() => server.close({ graceful: false }));
  return server;
}

/** A server, and a client of it whose messages are read, and the server's end of its session. */
async function reading(
  t: TestContext,
  listen = tcp,
  options: ClientOptions = {},
  behaviour?: ClientBehaviour,
) {
  const opened = deferred<Session>();
  const server = await serve(t, { open: (session) => opened.resolve(session) }, listen);
  const session = await joined(t, server.urls[0]!, options, behaviour);
  const messages = messagesOf(session);
  return { server, session, messages, peer: await opened.promise };
}

async function take(messages: Messages, count: number): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) texts.push((await messages.next()).value!.text());
  return texts;
}

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `${from + i}`);

/** Sends the first so many numbers. */
function sendAll(peer: Session, count: number): void {
  for (const text of numbers(count)) peer.send(text);
}

/** Sends numbers until the queue is full; each makes a frame of more than 200 bytes. */
function flood(peer: Session, from = 0): number {
  for (let sent = from; ; sent += 1) {
    if (peer.send(`${sent}`.padEnd(200)) === "dropped") return sent;
  }
}

for (const listen of [tcp, "ws://127.0.0.1:0", "quic://127.0.0.1:0"]) {
  const { protocol } = new URL(listen);
  describe(`the loop over a session's messages, over ${protocol}`, () => {
    test("has all from the first on, in order, and they keep", async (t) => {
      const server = await serve(t, { open: (peer) => sendAll(peer, 500) }, listen);
      const session = await joined(t, server.urls[0]!);
      const kept: ReceivedMessage[] = [];
      for await (const message of messagesOf(session)) if (kept.push(message) === 500) break;
      assert.deepEqual(
        kept.map((message) => message.text()),
        numbers(500),
      );
      assert.equal(session.state, "connected");
    });

    test("holds the server back while it does not read, and loses nothing", async (t) => {
      const { messages, peer } = await reading(t, listen, { windowBytes });
      const sent = flood(peer);
      await until("the window is used up", () => peer.info.bytesUnacknowledged > windowBytes - 300);
      const { messagesSent, bytesUnacknowledged } = peer.info;
      assert.ok(bytesUnacknowledged <= windowBytes, `${bytesUnacknowledged} bytes`);
      assert.ok(messagesSent < sent / 10, `${messagesSent} of ${sent}`);
      const texts = await take(messages, sent);
      assert.deepEqual(
        texts.map((text) => text.trim()),
        numbers(sent),
      );
      assert.equal(messages.dropped, 0);
    });

    test("goes on over other connections, with nothing lost and nothing twice", async (t) => {
      const { session, messages, peer } = await reading(t, listen, {
        windowBytes,
        reconnect: { delayMs: 1 },
      });
      const sent = flood(peer);
      const texts: string[] = [];
      while (texts.length < sent) {
        texts.push(...(await take(messages, Math.min(50, sent - texts.length))));
        if (texts.length % 500 === 0 && session.state === "connected") session.abandon();
      }
      assert.deepEqual(
        texts.map((text) => text.trim()),
        numbers(sent),
      );
    });
  });
}

describe("a message of a loop", () => {
  test("is acknowledged when the next one is asked for, or the loop is left, and not before", async (t) => {
    const { session, messages, peer } = await reading(t);
    const told: string[] = [];
    for (const text of ["a", "b"]) void peer.sendAcked(text).then(() => told.push(text));
    assert.equal((await messages.next()).value!.text(), "a");
    await session.ping(); // behind which the server would know
    await session.ping();
    assert.deepEqual(told, []);
    assert.equal((await messages.next()).value!.text(), "b");
    await until("the first is acknowledged", () => told.length > 0);
    assert.deepEqual(told, ["a"]);
    await messages.return();
    await until("the second is, too", () => told.length > 1);
  });

  test("can be confirmed, also when another was read", async (t) => {
    const { messages, peer } = await reading(t);
    const outcome = peer.sendAcked("a", { level: "read" });
    peer.send("b");
    const { value: first } = await messages.next();
    await messages.next();
    assert.equal(first!.confirm("read"), true);
    assert.equal((await outcome).status, "acknowledged");
  });

  test("says that something is missing before it, where the server has lost the session", async (t) => {
    const { session, messages, peer } = await reading(t);
    peer.send("before");
    await until("it has come", () => peer.info.messagesSent === 1);
    assert.equal((await messages.next()).value!.missed, undefined);
    const other = await serve(t, { open: (anew) => sendAll(anew, 2) });
    assert.equal(await session.switchTo(other.urls[0]!), false);
    const { value: first } = await messages.next();
    assert.equal(first!.text(), "0");
    assert.deepEqual(first!.missed, { topic: undefined, messages: 0, requests: 0 });
    assert.equal((await messages.next()).value!.missed, undefined);
  });

  test("that is read from a session that was lost is not acknowledged to the new one", async (t) => {
    const { session, messages, peer } = await reading(t, tcp, { windowBytes });
    sendAll(peer, 10);
    await take(messages, 1);
    const opened = deferred<Session>();
    const other = await serve(t, { open: (anew) => opened.resolve(anew) });
    await session.switchTo(other.urls[0]!);
    const anew = await opened.promise;
    const sent = flood(anew);
    await until("the window is used up", () => anew.info.bytesUnacknowledged > windowBytes - 300);
    const { messagesSent } = anew.info;
    assert.deepEqual(await take(messages, 9), numbers(10).slice(1));
    await session.ping();
    assert.equal(anew.info.messagesSent, messagesSent, "those of the old session gave no credit");
    assert.deepEqual(
      (await take(messages, sent)).map((text) => text.trim()),
      numbers(sent),
    );
  });

  test("gives way to newer ones where nobody acknowledges it and too many wait, and is counted", async (t) => {
    const { session, messages, peer } = await reading(t, tcp, { windowBytes });
    for (const text of numbers(500)) peer.send(text.padEnd(200), { delivery: "unreliable" });
    peer.send("last");
    await until("all has come", () => messages.dropped > 0);
    await session.ping();
    const texts: string[] = [];
    for await (const message of messages) {
      if (message.text() === "last") break;
      texts.push(message.text().trim());
    }
    assert.ok(texts.length * 200 <= windowBytes, `${texts.length} messages`);
    assert.deepEqual(texts, numbers(texts.length, 500 - texts.length), "the newest");
    assert.equal(messages.dropped, 500 - texts.length);
  });
});

describe("a loop over a session's messages", () => {
  test("ends when the session does, behind all that has come", async (t) => {
    const { messages, peer } = await reading(t);
    sendAll(peer, 3);
    peer.close();
    const texts: string[] = [];
    for await (const message of messages) texts.push(message.text());
    assert.deepEqual(texts, numbers(3));
    assert.deepEqual(await messages.next(), { done: true, value: undefined });
  });

  test("throws why the session has failed, once", async (t) => {
    const giveUp = new AbortController();
    const { server, session, messages } = await reading(t, tcp, { signal: giveUp.signal });
    const next = messages.next();
    await server.close({ graceful: false });
    await until("it is lost", () => session.state === "reconnecting");
    giveUp.abort();
    await assert.rejects(next, AbortedError);
    assert.equal(session.state, "failed");
    assert.equal((await messages.next()).done, true);
  });

  test("ends by its signal, and what has come waits for the next one", async (t) => {
    const { session, messages, peer } = await reading(t);
    await messages.return();
    const enough = new AbortController();
    const loop = messagesOf(session, { signal: enough.signal });
    const next = loop.next();
    enough.abort();
    await assert.rejects(next, AbortedError);
    assert.throws(() => messagesOf(session, { signal: enough.signal }), AbortedError);
    sendAll(peer, 3);
    assert.deepEqual(await take(messagesOf(session), 3), numbers(3));
  });

  test("is alone: another waits until it is left, and then goes on behind it", async (t) => {
    const { session, messages, peer } = await reading(t);
    assert.throws(() => messagesOf(session), ReaderLockedError);
    sendAll(peer, 4);
    for await (const message of messages) if (message.text() === "1") break;
    assert.deepEqual(await take(messagesOf(session), 2), ["2", "3"]);
  });

  test("has what handlers of subjects do not take, and is refused beside one for all", async (t) => {
    const heard: string[] = [];
    const events = { news: (_session: unknown, message: { text(): string }) => heard.push(message.text()) };
    const { messages, peer } = await reading(t, tcp, {}, { events });
    peer.send("for the handler", { subject: "news" });
    peer.send("for the loop", { subject: "other" });
    assert.deepEqual(await take(messages, 1), ["for the loop"]);
    assert.deepEqual(heard, ["for the handler"]);
    const server = await serve(t);
    const session = await joined(t, server.urls[0]!, {}, { message() {} });
    assert.throws(() => messagesOf(session), InvalidArgumentError);
  });

  test("knows what messages of a subject carry, where that is declared", async (t) => {
    const { session, messages, peer } = await reading(t);
    await messages.return();
    peer.send(JSON.stringify({ likes: 7 }), { subject: "liked" });
    for await (const message of messagesOf(session as unknown as ClientSession<Said>)) {
      if (message.subject !== "liked") continue;
      const { likes } = message.json();
      assert.equal(likes + 1, 8);
      // @ts-expect-error: it has none
      assert.equal(message.json().name, undefined);
      break;
    }
  });

  test("is of a session, and of nothing else", () => {
    for (const wrong of [undefined, {}, "session"]) {
      assert.throws(() => messagesOf(wrong as never), InvalidArgumentError);
    }
  });
});
