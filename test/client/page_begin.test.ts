import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { AbortedError, ConnectionLostError, InvalidArgumentError, SessionRefusedError } from "millrace";
import { type ClientBehaviour, type ClientOptions, type ClientSession, connect } from "millrace/client";
import { createServer, refuse, type Server, type ServerBehaviour } from "millrace/server";
import { createStreamRelay, type StreamRelay } from "millrace/testing";
import { beginSession } from "#internal/client/begin.js";
import { ResumableSession } from "#internal/client/client_session.js";
import { clientClock } from "#internal/client/clock.js";
import { extrasWith } from "#internal/client/extras.js";
import { atNeed, present } from "#internal/client/part.js";
import { transportOf } from "#internal/frame/transports.js";
import { type Deferred, deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";

const extras = present(extrasWith(() => Promise.reject(new Error("nothing is fetched here"))));

/** A server, a relay before it, and a page that has nothing yet that could carry a session. */
class World {
  readonly loading: Deferred<typeof ResumableSession> = deferred();
  /** How often it was asked for. */
  loads = 0;
  /** How often somebody has said hello. */
  hellos = 0;
  opened = 0;
  /** How often it was dialled. */
  dials = 0;
  readonly server: Server;
  readonly relay: StreamRelay;
  readonly #session = atNeed(() => {
    this.loads += 1;
    return this.loading.promise;
  });

  private constructor(server: Server, relay: StreamRelay) {
    this.server = server;
    this.relay = relay;
  }

  static async begin(
    t: TestContext,
    authenticate?: ServerBehaviour["authenticate"],
    slow: () => unknown = () => {},
  ): Promise<World> {
    let world: World | undefined;
    const server = await createServer(
      { listen: "ws://127.0.0.1:0", authenticateTimeoutMs: 3_600_000 }, // so it ends no connection itself
      {
        authenticate: (...args) => {
          world!.hellos += 1;
          return authenticate?.(...args) ?? true;
        },
        open: () => {
          world!.opened += 1;
        },
        requests: { ask: () => "answer", slow },
      },
    );
    t.after(() => server.close({ graceful: false }));
    const relay = await createStreamRelay({ target: server.addresses[0]! });
    t.after(() => relay.close());
    world = new World(server, relay);
    return world;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.relay.address.port}`;
  }

  /** The relay has passed on a Welcome, which is behind the 220 bytes of HTTP. */
  async welcomed(): Promise<void> {
    await until("it was welcomed", () => this.relay.flows[0]!.forwardedBytes.toClient > 300);
  }

  connect(
    options: ClientOptions = {},
    behaviour: ClientBehaviour = {},
    urls: string | string[] = this.url,
  ): Promise<ClientSession> {
    const dialled: typeof transportOf = (...args) => {
      this.dials += 1;
      return transportOf(...args);
    };
    return beginSession(urls, options, behaviour, {
      ...{ transportOf: dialled, clock: clientClock, session: this.#session, extras },
    });
  }
}

describe("a page that begins a session", () => {
  it("connects while it loads what is to carry that, by one connection", async (t) => {
    const world = await World.begin(t);
    const course: string[] = [];
    const connecting = world.connect({}, { connecting: () => void course.push("connecting") });
    await until("it has said hello", () => world.hellos === 1);
    assert.deepEqual([world.opened, course], [0, []], "there is no session yet");
    world.loading.resolve(ResumableSession);
    const session = await connecting;
    t.after(() => session.close({ graceful: false }));
    assert.equal((await session.request("ask")).status, "success");
    assert.deepEqual([world.hellos, world.opened, world.loads], [1, 1, 1]);
    assert.deepEqual(course, ["connecting"]);
    assert.equal(world.relay.flows.length, 1);
  });

  it("has what carries them from then on, and loads nothing for the next", async (t) => {
    const world = await World.begin(t);
    world.loading.resolve(ResumableSession);
    for (let sessions = 1; sessions <= 2; sessions += 1) {
      const session = await world.connect();
      t.after(() => session.close({ graceful: false }));
      await until("it has begun", () => world.opened === sessions);
      assert.equal(world.loads, 1);
    }
  });

  it("connects anew where the connection is lost by the time that is loaded", async (t) => {
    const world = await World.begin(t);
    const connecting = world.connect();
    await until("it has said hello", () => world.hellos === 1);
    const [flow] = world.relay.flows;
    await world.welcomed();
    const ended = world.relay.counters.resets;
    flow!.reset();
    await until("that is over", () => world.relay.counters.resets > ended && world.relay.flows.length === 0);
    await new Promise(setImmediate);
    world.loading.resolve(ResumableSession);
    const session = await connecting;
    t.after(() => session.close({ graceful: false }));
    assert.equal((await session.request("ask")).status, "success");
    assert.equal(world.opened, 1);
  });

  it("leaves no connection behind where it cannot load that, and begins anew when it is asked to", async (t) => {
    const world = await World.begin(t);
    const connecting = world.connect();
    await until("it has said hello", () => world.hellos === 1);
    world.loading.reject(new TypeError("no network"));
    await assert.rejects(connecting, (cause: Error) => {
      return cause instanceof ConnectionLostError && cause.cause instanceof TypeError;
    });
    await until("it has hung up", () => world.relay.flows.length === 0);
    assert.equal(world.opened, 0);
  });

  it("calls off what is on its way where it cannot load that", async (t) => {
    const world = await World.begin(t);
    world.relay.block("toClient");
    const connecting = world.connect({ connectTimeoutMs: 3_600_000 });
    await until("it is on its way", () => world.server.connectionCount === 1);
    world.loading.reject(new TypeError("no network"));
    await assert.rejects(connecting, ConnectionLostError);
    await until("it has hung up", () => world.server.connectionCount === 0);
  });

  it("leaves no connection behind where its signal fires as it begins", async (t) => {
    const world = await World.begin(t);
    const controller = new AbortController();
    const connecting = () => controller.abort();
    const begun = world.connect({ signal: controller.signal }, { connecting });
    await until("it has said hello", () => world.hellos === 1);
    await world.welcomed();
    world.loading.resolve(ResumableSession);
    await assert.rejects(begun, AbortedError);
    await until("it has hung up", () => world.relay.flows.length === 0);
  });

  it("stops when its signal fires, also while it loads", async (t) => {
    const world = await World.begin(t);
    const controller = new AbortController();
    const connecting = world.connect({ signal: controller.signal });
    await until("it has said hello", () => world.hellos === 1);
    controller.abort();
    await assert.rejects(connecting, AbortedError);
    await until("it has hung up", () => world.relay.flows.length === 0);
    assert.equal(world.opened, 0);
  });

  it("comes back where its server stops between the welcome and what it would say then", async (t) => {
    const asked = deferred();
    const gate = deferred();
    const world = await World.begin(t, undefined, () => {
      asked.resolve();
      return gate.promise;
    });
    const busy = await connect(world.server.urls[0]!);
    t.after(() => busy.close({ graceful: false }));
    const answered = busy.request("slow");
    await asked.promise;
    let losses = 0;
    const disconnected = () => {
      losses += 1;
    };
    const connecting = world.connect({ reconnect: { delayMs: 1 } }, { disconnected });
    await until("it has said hello", () => world.hellos === 2);
    await world.welcomed();
    const stopped = world.server.close();
    world.loading.resolve(ResumableSession);
    const session = await connecting;
    t.after(() => session.close({ graceful: false }));
    await until("it is told", () => losses === 1);
    const next = await createServer({ listen: "ws://127.0.0.1:0" }, { requests: { ask: () => "next" } });
    t.after(() => next.close({ graceful: false }));
    await world.relay.retarget(next.addresses[0]!);
    const reply = await session.request("ask");
    assert.equal(reply.status === "success" && reply.text(), "next");
    gate.resolve();
    await Promise.allSettled([answered, stopped]);
  });

  it("comes back where its server has given it up by the time that it would begin", async (t) => {
    const world = await World.begin(t);
    let losses = 0;
    const disconnected = () => {
      losses += 1;
    };
    const connecting = world.connect({ reconnect: { delayMs: 1 } }, { disconnected });
    await until("it has said hello", () => world.hellos === 1);
    await world.welcomed();
    world.relay.block("toClient"); // it says Commit before it hears of it
    await world.server.reload({ authenticateTimeoutMs: 100 });
    await until("its time is over", () => world.server.counters.rejected === 1);
    await world.server.reload({ authenticateTimeoutMs: 60_000 });
    world.loading.resolve(ResumableSession);
    const session = await connecting;
    t.after(() => session.close({ graceful: false }));
    world.relay.unblock("toClient");
    await until("it is told", () => losses === 1);
    assert.equal((await session.request("ask")).status, "success");
    assert.equal(world.opened, 1);
  });

  it("hears why it is refused", async (t) => {
    const world = await World.begin(t, () => refuse("not you"));
    world.loading.resolve(ResumableSession);
    await assert.rejects(world.connect(), (cause: Error) => {
      return cause instanceof SessionRefusedError && /not you/.test(cause.message);
    });
    assert.equal(world.hellos, 1);
  });

  it("hears that at once, and waits no longer for what it loads", async (t) => {
    const world = await World.begin(t, () => refuse("not you"));
    await assert.rejects(world.connect(), SessionRefusedError);
    assert.deepEqual([world.hellos, world.loads], [1, 1]);
  });

  it("tries again where nobody answers at first, if it is to", async (t) => {
    const world = await World.begin(t);
    world.relay.refuse();
    const connecting = world.connect({ reconnect: { initial: true, delayMs: 1 } });
    world.loading.resolve(ResumableSession);
    await until("it tries again", () => world.dials > 1);
    await world.relay.accept();
    const session = await connecting;
    t.after(() => session.close({ graceful: false }));
    await until("it has begun", () => world.opened === 1);
  });

  it("dials nothing by itself where there are several ways, which are for what it loads", async (t) => {
    const world = await World.begin(t);
    const connecting = world.connect({}, {}, [world.url, world.server.urls[0]!]);
    await until("it is asked for", () => world.loads === 1);
    await new Promise(setImmediate);
    assert.equal(world.relay.flows.length, 0);
    world.loading.resolve(ResumableSession);
    const session = await connecting;
    t.after(() => session.close({ graceful: false }));
    await until("it has begun", () => world.opened === 1);
  });

  it("loads nothing, and dials nothing, where it was asked wrongly", async (t) => {
    const world = await World.begin(t);
    await assert.rejects(world.connect({ connectTimeoutMs: -1 }), InvalidArgumentError);
    await assert.rejects(world.connect({}, { message: 1 as never }), InvalidArgumentError);
    assert.deepEqual([world.loads, world.relay.flows.length], [0, 0]);
  });
});
