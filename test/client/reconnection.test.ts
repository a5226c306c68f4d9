import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createTcpServer } from "node:net";
import { describe, type TestContext, test } from "node:test";
import {
  AbortedError,
  CloseCode,
  ConnectFailedError,
  ConnectionRefusedError,
  InvalidArgumentError,
  SessionRefusedError,
  type Transport,
  type TransportBehaviour,
} from "millrace";
import { type ClientBehaviour, type ClientOptions, type ClientSession, connect } from "millrace/client";
import {
  createServer,
  RejectCode,
  refuse,
  type Server,
  type ServerBehaviour,
  type ServerOptions,
} from "millrace/server";
import { createStreamRelay } from "millrace/testing";
import { beginSession } from "#internal/client/begin.js";
import { ResumableSession } from "#internal/client/client_session.js";
import { extrasWith } from "#internal/client/extras.js";
import { present } from "#internal/client/part.js";
import type { Platform } from "#internal/client/platform.js";
import { transportOf } from "#internal/frame/transports.js";
import { tcpTransport } from "#internal/tcp/transport.js";
import { until } from "../kit/until.js";
import { VirtualTime } from "../kit/virtual_time.js";

/** TCP by another name, which works while it is up. */
class Line {
  readonly time = new VirtualTime();
  isUp = true;
  /** The next connection ends in the same turn in which it brings the first frame. */
  breaksAtOnce = false;
  /** Who is told of another network. */
  readonly told = new Set<() => void>();
  /** When it was tried. */
  readonly triedAtMs: number[] = [];
  readonly transport: Transport = {
    name: "line",
    schemes: ["line"],
    listen: () => Promise.reject(new Error("nobody listens here")),
    connect: (options, behaviour) => {
      this.triedAtMs.push(this.time.now());
      if (!this.isUp) return Promise.reject(new ConnectionRefusedError("the line is down"));
      const told = this.breaksAtOnce ? breaking(behaviour) : behaviour;
      this.breaksAtOnce = false;
      return tcpTransport.connect({ ...options, url: { ...options.url, scheme: "tcp" } }, told);
    },
  };

  async join(
    t: TestContext,
    server: Server,
    options: ClientOptions = {},
    behaviour: ClientBehaviour = {},
  ): Promise<ClientSession> {
    const platform: Platform = {
      ...{ transportOf, clock: this.time },
      watchNetwork: (changed) => {
        this.told.add(changed);
        return () => void this.told.delete(changed);
      },
      extras: present(extrasWith(() => Promise.reject(new Error("nothing is fetched here")))),
      session: present(ResumableSession),
    };
    const url = server.urls[0]!.replace(/^tcp/, "line");
    const session = await beginSession(
      url,
      { transports: [this.transport], ...options },
      behaviour,
      platform,
    );
    t.after(() => session.close({ graceful: false }));
    return session;
  }

  /** Waits until it is tried for the nth time. */
  async tried(times: number): Promise<void> {
    await until(`it was tried ${times} times`, () => this.triedAtMs.length === times);
  }

  /** Lets time pass, as soon as the client waits for it, and its try be made. */
  async pass(ms: number): Promise<void> {
    await until("it waits", () => this.time.pending > 0);
    this.time.advance(ms);
    await turns();
  }
}

/** Tells the same, but that the connection ends behind its first frame. */
function breaking(behaviour: TransportBehaviour): TransportBehaviour {
  return {
    open: (connection) => behaviour.open(connection),
    frame: (connection, frame) => {
      behaviour.frame(connection, frame);
      behaviour.close(connection, { by: "transport", code: CloseCode.goingAway, reason: "broken" });
      setImmediate(() => connection.close({ graceful: false }));
    },
    drain: (connection) => behaviour.drain(connection),
    close: () => {}, // it was told
  };
}

/** Longer than all that is done without waiting for a timer or a socket. */
async function turns(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await new Promise(setImmediate);
}

async function serve(
  t: TestContext,
  behaviour: ServerBehaviour<unknown> = {},
  listen = "tcp://127.0.0.1:0",
  options: Partial<ServerOptions> = {},
) {
  const server = await createServer({ listen, ...options }, behaviour);
  t.after(() => server.close({ graceful: false }));
  return server;
}

describe("reconnecting", () => {
  test("goes on where a connection ends in the turn in which it would carry the session", async (t) => {
    const server = await serve(t);
    const line = new Line();
    const client = await line.join(t, server, { reconnect: { delayMs: 100, jitter: 0 } });
    line.breaksAtOnce = true;
    client.abandon();
    await until("it is lost", () => client.state === "reconnecting");
    await line.pass(100);
    await line.tried(2);
    await line.pass(200);
    await line.tried(3);
    await until("it is back", () => client.state === "connected");
  });

  test("waits ever longer, up to the longest wait, and gives up after so many attempts", async (t) => {
    const server = await serve(t);
    const line = new Line();
    const reconnect = { delayMs: 100, factor: 3, maxDelayMs: 500, jitter: 0, attempts: 4 };
    const client = await line.join(t, server, { reconnect });
    line.isUp = false;
    client.abandon();
    await until("it is lost", () => client.state === "reconnecting");
    for (const [i, waitMs] of [100, 300, 500, 500].entries()) {
      await line.pass(waitMs - 1);
      assert.equal(line.triedAtMs.length, 1 + i);
      await line.pass(1);
      await line.tried(2 + i);
    }
    const { by, error } = await client.closed;
    assert.deepEqual([client.state, by], ["failed", "local"]);
    assert.ok(error instanceof ConnectionRefusedError);
    assert.deepEqual(line.triedAtMs, [0, 100, 400, 900, 1_400]);
  });

  test("leaves the waits to chance where it is told to", async (t) => {
    const server = await serve(t);
    const line = new Line();
    const client = await line.join(t, server, { reconnect: { delayMs: 1_000_000, maxDelayMs: 1_000_000 } });
    client.abandon();
    await until("it is lost", () => client.state === "reconnecting");
    while (line.triedAtMs.length < 2) await line.pass(1_000); // and no longer: the try would run out of time
    await until("it is back", () => client.state === "connected");
    const [, waitedMs] = line.triedAtMs;
    assert.ok(waitedMs! < 1_000_000, `${waitedMs} ms`);
  });

  test("heeds a server that says when to come again, and one that says never", async (t) => {
    let refusals = 0;
    let hellos = 0;
    const server = await serve(t, {
      authenticate: () => {
        hellos += 1;
        if (hellos === 1) return {};
        refusals += 1;
        if (refusals === 1) return refuse("full", { code: RejectCode.full, retryAfterMs: 5_000 });
        return refuse("closed for good", { code: 300 });
      },
    });
    const line = new Line();
    const client = await line.join(t, server, { reconnect: { delayMs: 100, jitter: 0 } });
    client.abandon();
    await until("it is lost", () => client.state === "reconnecting");
    await line.pass(100);
    await until("it is refused", () => refusals === 1);
    await line.pass(4_999);
    assert.equal(line.triedAtMs.length, 2);
    await line.pass(1);
    const { error } = await client.closed;
    assert.deepEqual(line.triedAtMs, [0, 100, 5_100]); // 200 would have been the next wait
    assert.ok(error instanceof SessionRefusedError && error.rejectCode === 300);
    assert.equal(client.state, "failed");
  });

  for (const [what, fails] of Object.entries<() => unknown>({
    "cannot tell who it is": () => {
      throw new Error("the database is away");
    },
    "cannot tell who it is a little later": () => Promise.reject(new Error("the database is away")),
    "does not say in time who it is": () => new Promise(() => {}),
  })) {
    test(`comes again to a server that ${what}, and loses nothing`, async (t) => {
      let hellos = 0;
      const got: string[] = [];
      const server = await serve(
        t,
        {
          authenticate: () => {
            hellos += 1;
            return hellos === 2 ? fails() : {};
          },
          resumed: () => void got.push("resumed"),
          message: (_session, message) => void got.push(message.text()),
          error: () => {},
        },
        undefined,
        { authenticateTimeoutMs: 500 },
      );
      const line = new Line();
      const client = await line.join(t, server, { reconnect: { delayMs: 100, jitter: 0 } });
      await until("it has begun", () => server.sessionCount === 1);
      client.abandon();
      await until("it is lost", () => client.state === "reconnecting");
      client.send("kept");
      await line.pass(100);
      await until("it is judged", () => hellos === 2);
      // The connect timeout of the try runs by this time, too: it is over for another reason.
      await until("its refusal is heard", () => server.counters.rejected === 1 && line.time.pending === 1);
      while (client.state !== "connected") {
        assert.notEqual(client.state, "failed");
        await line.pass(1_000);
      }
      await until("it has come", () => got.length === 2);
      assert.deepEqual(got, ["resumed", "kept"]);
    });
  }

  test("waits no longer when there is another network, and takes a connection there for none that lasts", async (t) => {
    const server = await serve(t);
    const line = new Line();
    const told: string[] = [];
    const client = await line.join(
      t,
      server,
      { reconnect: { delayMs: 60_000, jitter: 0 } },
      {
        connected: () => told.push("connected"),
        disconnected: () => told.push("disconnected"),
        switched: () => told.push("switched"),
      },
    );
    await until("it has begun", () => server.sessionCount === 1);
    const change = () => line.told.forEach((changed) => void changed());
    change();
    await until("it has moved", () => told.at(-1) === "switched");
    client.abandon();
    await until("it is lost", () => client.state === "reconnecting");
    change();
    await until("it is back", () => client.state === "connected");
    assert.deepEqual(told, ["connected", "switched", "disconnected", "connected"]);
    assert.deepEqual(line.triedAtMs, [0, 0, 0]);
    await client.close();
    assert.equal(line.told.size, 0);
  });

  test("is for the first connection as well, where that is asked for", async (t) => {
    const server = await serve(t);
    const line = new Line();
    line.isUp = false;
    await assert.rejects(line.join(t, server), ConnectionRefusedError);
    const joined = line.join(t, server, { reconnect: { initial: true, delayMs: 100, jitter: 0 } });
    await line.tried(2);
    line.isUp = true;
    await line.pass(100);
    assert.equal((await joined).state, "connected");
    assert.deepEqual(line.triedAtMs, [0, 0, 100]);
  });

  test("ends with the application's signal, first or later, and not before the connection does", async (t) => {
    const server = await serve(t);
    const line = new Line();
    const first = new AbortController();
    line.isUp = false;
    const options = { reconnect: { initial: true }, signal: first.signal };
    const joining = line.join(t, server, options);
    await line.tried(1);
    first.abort();
    await assert.rejects(joining, AbortedError);
    line.isUp = true;
    const later = new AbortController();
    const client = await line.join(t, server, { signal: later.signal });
    line.isUp = false;
    client.abandon();
    await until("it is lost", () => client.state === "reconnecting");
    later.abort();
    const { error } = await client.closed;
    assert.ok(error instanceof AbortedError);
    assert.equal(client.state, "failed");
    line.isUp = true;
    const whole = new AbortController();
    const unmoved = await line.join(t, server, { signal: whole.signal });
    whole.abort();
    assert.equal((await unmoved.request("anything")).status, "failure");
    assert.equal(unmoved.state, "connected");
  });

  test("is over when the session is closed meanwhile, which ends it at once", async (t) => {
    const server = await serve(t);
    const line = new Line();
    const client = await line.join(t, server);
    line.isUp = false;
    client.abandon();
    await until("it is lost", () => client.state === "reconnecting");
    const { by, code } = await client.close({ code: 300, reason: "enough" });
    assert.deepEqual([client.state, by, code], ["disconnected", "local", 300]);
    assert.equal(line.time.pending, 0);
    assert.equal(line.triedAtMs.length, 1);
  });

  test("asks for a token before every connection, and tries again where there was none to be had", async (t) => {
    const shown: string[] = [];
    const server = await serve(t, {
      authenticate: ({ tokenText }) => {
        shown.push(tokenText);
        return {};
      },
    });
    const line = new Line();
    let asked = 0;
    const token = async (signal: AbortSignal) => {
      assert.equal(signal.aborted, false);
      asked += 1;
      if (asked === 2) throw new Error("no way to the token's server");
      return asked === 1 ? "first" : Buffer.from("second");
    };
    const client = await line.join(t, server, { token, reconnect: { delayMs: 100, jitter: 0 } });
    client.abandon();
    await until("it is lost", () => client.state === "reconnecting");
    await line.pass(100);
    await until("it was asked in vain", () => asked === 2);
    await line.pass(200);
    await until("it is back", () => client.state === "connected");
    assert.deepEqual(shown, ["first", "second"]);
    const tooLong = () => "x".repeat(9_000);
    await assert.rejects(line.join(t, server, { token: tooLong }), InvalidArgumentError);
    await assert.rejects(
      line.join(t, server, { token: () => new Promise<string>(() => {}), connectTimeoutMs: 20 }),
      { code: "ERR_MILLRACE_TIMEOUT" },
    );
  });

  test("goes to the target of a server that stops, before that cuts it off, when nothing is on its way", async (t) => {
    const answered: string[] = [];
    const next = await serve(t, { request: () => "next" });
    const server = await serve(t, {
      requests: {
        slow: async () => {
          await new Promise(setImmediate);
          answered.push("slow");
          return "done";
        },
      },
    });
    const told: string[] = [];
    const client = await connect(
      server.urls[0]!,
      { reconnect: { delayMs: 1 } },
      {
        goAway: () => told.push("goAway"),
        connected: (_session, { url }) => told.push(url),
        switched: (_session, _from, { url }) => told.push(url),
      },
    );
    t.after(() => client.close({ graceful: false }));
    const reply = client.request("slow");
    await until("it has begun", () => server.sessionCount === 1);
    const [target] = next.urls;
    await server.close({ target: target!, spreadMs: 1 });
    assert.equal((await reply).status, "success");
    await until("it is there", () => next.sessionCount === 1);
    assert.deepEqual(told, [server.urls[0], "goAway", target]);
    // And comes back there, not to where it was begun.
    client.abandon();
    await until("it is back", () => told.length === 4);
    assert.equal(told[3], target);
  });

  test("comes back to a server that stops and names no other when it was told to, and by its own waits then", async (t) => {
    const server = await serve(t);
    const line = new Line();
    let toldMs = 0;
    const client = await line.join(
      t,
      server,
      { reconnect: { delayMs: 100, jitter: 0 } },
      {
        goAway: (_session, { target, retryAfterMs }) => {
          assert.equal(target, undefined);
          toldMs = retryAfterMs!;
        },
      },
    );
    await until("it has begun", () => server.sessionCount === 1);
    await server.close({ spreadMs: 100_000 });
    await until("it is lost", () => client.state === "reconnecting");
    await line.pass(Math.max(100, toldMs) - 1);
    assert.equal(line.triedAtMs.length, 1);
    await line.pass(1);
    await line.tried(2);
    await line.pass(199); // it has been refused, and waits
    const next = await serve(t, {}, server.urls[0]);
    assert.equal(line.triedAtMs.length, 2);
    await line.pass(1);
    await until("it is back", () => next.sessionCount === 1);
    assert.equal(line.triedAtMs.length, 3);
  });

  test("by a list has the transport that is preferred, and one that is named later", async (t) => {
    const server = await createServer({ listen: ["tcp://127.0.0.1:0", "ws://127.0.0.1:0"] }, {});
    t.after(() => server.close({ graceful: false }));
    const client = await connect(server.urls, { preferredTransport: "websocket", headStartMs: 60_000 });
    t.after(() => client.close({ graceful: false }));
    assert.equal(client.transport, "websocket");
    assert.equal(await client.switchTo("tcp"), true);
    assert.equal(client.transport, "tcp");
    assert.equal(await client.switchTo("ws"), true);
    assert.equal(client.transport, "websocket");
  });

  test("by a list says of each URL why it has failed", async () => {
    const urls = ["tcp://127.0.0.1:1", "ws://127.0.0.1:1"];
    const failure = await connect(urls).catch((cause: unknown) => cause);
    assert.ok(failure instanceof ConnectFailedError);
    assert.deepEqual(
      failure.errors.map(({ url }) => url),
      urls,
    );
  });

  test("by a list does not wait longer for the first than its head start", async (t) => {
    const silent = createTcpServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    t.after(() => silent.close());
    const server = await serve(t);
    const silentUrl = `tcp://127.0.0.1:${(silent.address() as { port: number }).port}`;
    const client = await connect([silentUrl, server.urls[0]!], { headStartMs: 20, connectTimeoutMs: 60_000 });
    t.after(() => client.close({ graceful: false }));
    assert.equal(client.state, "connected");
  });

  test("begins when nothing was heard for the heartbeat's timeout, and loses nothing", async (t) => {
    const got: string[] = [];
    const server = await serve(t, { message: (_session, message) => got.push(message.text()) });
    const relay = await createStreamRelay({
      target: { address: "127.0.0.1", port: Number(new URL(server.urls[0]!).port) },
    });
    t.after(() => relay.close());
    const lostBy: string[] = [];
    const client = await connect(
      `tcp://127.0.0.1:${relay.address.port}`,
      { heartbeatMs: 1_000, heartbeatTimeoutMs: 1_200, connectTimeoutMs: 500, reconnect: { delayMs: 1 } },
      {
        disconnected: (_session, { by }) => lostBy.push(by),
      },
    );
    t.after(() => client.close({ graceful: false }));
    await until("it has begun", () => server.sessionCount === 1);
    relay.block();
    client.send("into the hole");
    await until("it is noticed", () => lostBy.length === 1);
    assert.deepEqual(lostBy, ["transport"]);
    relay.unblock();
    await until("it is back", () => client.state === "connected");
    await until("that has come", () => got.length > 0);
    assert.deepEqual(got, ["into the hole"]);
    await assert.rejects(connect("tcp://127.0.0.1:1", { heartbeatMs: 2_000, heartbeatTimeoutMs: 2_000 }), {
      message: /heartbeatTimeoutMs must be more than heartbeatMs/,
    });
  });
});
