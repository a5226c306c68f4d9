import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { AbortedError, ConnectionLostError, InvalidArgumentError, jsonCodec, TimeoutError } from "millrace";
import type { ClientBehaviour, ClientOptions, ClientSession } from "millrace/client";
import { createServer, FailureCode, type ServerBehaviour, type Session } from "millrace/server";
import { beginSession } from "#internal/client/begin.js";
import { beginProbe } from "#internal/client/begin_probe.js";
import { ResumableSession } from "#internal/client/client_session.js";
import { clientClock } from "#internal/client/clock.js";
import { type Extras, extrasWith } from "#internal/client/extras.js";
import { atNeed, type Part, present } from "#internal/client/part.js";
import type { Platform } from "#internal/client/platform.js";
import { transportOf } from "#internal/frame/transports.js";
import { type Deferred, deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";

const all = extrasWith(() => Promise.reject(new Error("nothing is fetched here")));

/** A session that has to load what not every one needs. */
async function join(
  t: TestContext,
  extras: Part<Extras>,
  options: ClientOptions = {},
  behaviour: ClientBehaviour = {},
  served: ServerBehaviour = {},
  watchNetwork: NonNullable<Platform["watchNetwork"]> = () => () => {},
): Promise<ClientSession> {
  const server = await createServer(
    { listen: ["ws://127.0.0.1:0", "ws://127.0.0.1:0"], codecs: options.codecs },
    served,
  );
  t.after(() => server.close({ graceful: false }));
  const given = options.headStartMs === undefined ? server.urls[0]! : server.urls;
  const platform = {
    transportOf,
    clock: clientClock,
    session: present(ResumableSession),
    extras,
    watchNetwork,
  };
  const session = await beginSession(given, options, behaviour, platform);
  t.after(() => session.close({ graceful: false }));
  urls.set(session, server.urls[0]!);
  return session;
}

const urls = new WeakMap<ClientSession, string>();

/** Where the session was connected to. */
function served(session: ClientSession): string {
  return urls.get(session)!;
}

describe("what not every session needs", () => {
  it("is loaded once, and asked for again where that has failed", async () => {
    let asked = 0;
    const part = atNeed(async () => {
      asked += 1;
      if (asked === 1) throw new TypeError("no network");
      return "it";
    });
    await assert.rejects(part.load(), (cause: Error) => {
      return cause instanceof ConnectionLostError && cause.cause instanceof TypeError;
    });
    assert.equal(part.here, undefined);
    assert.equal(await part.load(), "it");
    assert.equal(await part.load(), "it");
    assert.equal(part.here, "it");
    assert.equal(asked, 2);
  });

  it("is not loaded for a session that has one URL, and sends, asks and comes back", async (t) => {
    const extras = atNeed<Extras>(() => assert.fail("it is loaded"));
    const session = await join(t, extras, {}, {}, { requests: { ask: () => "answer" } });
    assert.equal(session.send("said"), "sent");
    assert.equal((await session.request("ask")).status, "success");
    await session.ping();
    await session.sendAcked("said, too");
    session.abandon();
    await until("it is back", () => session.state === "connected" && session.transport !== undefined);
    assert.equal((await session.request("ask")).status, "success");
  });

  for (const [what, options, behaviour] of [
    ["several URLs", { headStartMs: 0 }, {}],
    ["a linger", { lingerMs: 1 }, {}],
    ["a codec", { codecs: [jsonCodec] }, {}],
    ["a transport", { transports: [] }, {}],
    ["a handler of publications", {}, { publication() {} }],
    ["a handler of gaps", {}, { gap() {} }],
    ["a handler of requests", {}, { request() {} }],
    ["handlers of requests", {}, { requests: { ask() {} } }],
  ] satisfies [string, ClientOptions, ClientBehaviour][]) {
    it(`is loaded before a session with ${what} connects, which fails where it cannot be`, async (t) => {
      const course: string[] = [];
      const extras = atNeed(async () => {
        course.push("loaded");
        return all;
      });
      const connecting = () => void course.push("connecting");
      await join(t, extras, options, { ...behaviour, connecting });
      assert.deepEqual(course, ["loaded", "connecting"]);
      const none = atNeed<Extras>(() => Promise.reject(new TypeError("no network")));
      await assert.rejects(join(t, none, options, behaviour), ConnectionLostError);
    });
  }

  it("is loaded for the first topic, and what is asked meanwhile keeps its order", async (t) => {
    const course: string[] = [];
    const loading = deferred<Extras>();
    const served: ServerBehaviour = {
      subscribe: (_session, pattern) => {
        course.push(`subscribe ${pattern}`);
        return true;
      },
      publish: (_session, topic) => {
        course.push(`publish ${topic}`);
        return true;
      },
    };
    const session = await join(
      t,
      atNeed(() => loading.promise),
      {},
      {},
      served,
    );
    const asked = [session.subscribe("a"), session.publish("b", "x"), session.unsubscribe("a")];
    loading.resolve(all);
    await Promise.all(asked);
    assert.deepEqual(course, ["subscribe a", "publish b"]);
  });

  it("settles for all who wait in the order in which they have asked, however its loads do", async () => {
    const loads: (() => void)[] = [];
    const course: number[] = [];
    const part = atNeed(() => new Promise<string>((resolve) => loads.push(() => resolve("it"))));
    const waiting = [0, 1, 2].map((one) => part.load().then(() => course.push(one)));
    for (const settle of loads.reverse()) settle();
    await Promise.all(waiting);
    assert.deepEqual(course, [0, 1, 2]);
    assert.equal(loads.length, 1);
  });

  it("fails for all who wait, and is then asked for once more for all who wait again", async () => {
    const loads: Deferred<string>[] = [];
    const part = atNeed(() => {
      loads.push(deferred<string>());
      return loads.at(-1)!.promise;
    });
    const failing = [part.load(), part.load()].map((one) => assert.rejects(one, ConnectionLostError));
    loads[0]!.reject(new TypeError("no network"));
    await Promise.all(failing);
    const again = [part.load(), part.load()];
    loads[1]!.resolve("it");
    assert.deepEqual(await Promise.all(again), ["it", "it"]);
    assert.equal(loads.length, 2);
  });

  it("is not loaded to say that nobody answers a request", async (t) => {
    const extras = atNeed<Extras>(() => assert.fail("it is loaded"));
    const opened = deferred<Session>();
    await join(t, extras, {}, {}, { open: (session) => opened.resolve(session) });
    const reply = await (await opened.promise).request("ask");
    assert.ok(reply.status === "failure" && reply.code === FailureCode.unknownSubject);
  });

  it("is loaded for the first move, and moves asked for meanwhile keep their order", async (t) => {
    const loading = deferred<Extras>();
    const course: string[] = [];
    const session = await join(
      t,
      atNeed(() => loading.promise),
      {},
      {
        switched: (_session, _from, { url }) => void course.push(url),
      },
    );
    const { transports } = await session.statistics();
    assert.equal(transports[0]!.connections, 1);
    const url = served(session);
    const moves = [session.switchTo(url), session.switchTo("websocket")];
    assert.equal(session.state, "connected");
    loading.resolve(all);
    assert.deepEqual(await Promise.all(moves), [true, true]);
    assert.deepEqual(course, [url, url]);
    assert.equal(session.state, "connected");
  });

  it("that is long in coming keeps no session from coming back", async (t) => {
    const loading = deferred<Extras>();
    const lost = deferred();
    const session = await join(
      t,
      atNeed(() => loading.promise),
      { reconnect: { delayMs: 1 } },
      {
        disconnected: () => lost.resolve(),
      },
    );
    const moved = session.switchTo("websocket");
    session.abandon();
    await lost.promise;
    await until("it is back", () => session.state === "connected");
    loading.resolve(all);
    assert.equal(await moved, true);
  });

  it("is loaded also where the signal to connect has fired meanwhile, which means nothing then", async (t) => {
    const controller = new AbortController();
    const { signal } = controller;
    const session = await join(
      t,
      atNeed(async () => all),
      { signal },
      {},
      { subscribe: () => true },
    );
    controller.abort();
    await session.subscribe("a");
    assert.equal(session.state, "connected");
  });

  it("is loaded for another network, which takes no move back that was asked for first", async (t) => {
    const loading = deferred<Extras>();
    const course: string[] = [];
    let changed!: () => void;
    const session = await join(
      t,
      atNeed(() => loading.promise),
      {},
      { switched: (_session, _from, _to, reason) => void course.push(reason) },
      {},
      (refresh) => {
        changed = refresh;
        return () => {};
      },
    );
    const moved = session.switchTo(served(session));
    changed();
    changed();
    loading.resolve(all);
    assert.equal(await moved, true);
    assert.equal(await session.switchTo(served(session)), true); // behind what else would move
    assert.deepEqual(course, ["asked", "asked"]);
    changed();
    await until("it has moved", () => course.at(-1) === "network");
  });

  it("is loaded for another network, which leaves a connection that has come meanwhile", async (t) => {
    const loading = deferred<Extras>();
    const lost = deferred();
    const course: string[] = [];
    let changed!: () => void;
    const session = await join(
      t,
      atNeed(() => loading.promise),
      { reconnect: { delayMs: 1 } },
      {
        disconnected: () => lost.resolve(),
        switched: (_session, _from, _to, reason) => void course.push(reason),
      },
      {},
      (refresh) => {
        changed = refresh;
        return () => {};
      },
    );
    changed();
    session.abandon();
    await lost.promise;
    await until("it is back", () => session.state === "connected");
    loading.resolve(all);
    await session.switchTo(served(session));
    assert.deepEqual(course, ["asked"]);
  });

  it("is loaded for a first publication, which says what its bytes were when it was asked for", async (t) => {
    const loading = deferred<Extras>();
    const heard: string[] = [];
    const session = await join(
      t,
      atNeed(() => loading.promise),
      {},
      {},
      {
        publish: (_session, _topic, payload) => heard.push(Buffer.from(payload).toString()) > 0,
      },
    );
    const bytes = Buffer.from("as it was");
    const published = session.publish("topic", bytes);
    bytes.fill(88);
    loading.resolve(all);
    await published;
    assert.deepEqual(heard, ["as it was"]);
    await assert.rejects(session.publish("topic", 1 as never), InvalidArgumentError);
  });

  it("is waited for by who measures no longer than a connection, and than is wanted", async () => {
    const extras = atNeed(() => new Promise<Extras>(() => {}));
    const platform = { transportOf, clock: clientClock, session: present(ResumableSession), extras };
    const url = "ws://127.0.0.1:1";
    await assert.rejects(beginProbe(url, { connectTimeoutMs: 20 }, platform), TimeoutError);
    const controller = new AbortController();
    const probing = beginProbe(url, { signal: controller.signal }, platform);
    controller.abort();
    await assert.rejects(probing, AbortedError);
  });

  it("that never comes is waited for no longer than a connection", async (t) => {
    const never = atNeed(() => new Promise<Extras>(() => {}));
    const session = await join(t, never, { connectTimeoutMs: 1_000 });
    await assert.rejects(session.switchTo("websocket"), TimeoutError);
    await assert.rejects(session.subscribe("a"), TimeoutError);
    assert.equal(session.state, "connected");
  });

  it("that cannot be loaded fails a move, and leaves the session where it is", async (t) => {
    const extras = atNeed<Extras>(() => Promise.reject(new TypeError("no network")));
    const session = await join(t, extras);
    await assert.rejects(session.switchTo("websocket"), ConnectionLostError);
    assert.equal(session.state, "connected");
    assert.equal(session.send("still there"), "sent");
  });

  it("that cannot be loaded fails a subscription, and not the session", async (t) => {
    let isThere = false;
    const extras = atNeed(async () => {
      if (!isThere) throw new TypeError("no network");
      return all;
    });
    const session = await join(t, extras, {}, {}, { subscribe: () => true });
    await assert.rejects(session.subscribe("a"), ConnectionLostError);
    assert.equal(session.state, "connected");
    isThere = true;
    await session.subscribe("a");
  });
});
