import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FrameTooLargeError, InvalidArgumentError, ListenerClosedError } from "millrace";
import { connect, type SubscribeFrom } from "millrace/client";
import { jwt } from "millrace/middleware";
import {
  type ClientHello,
  createServer,
  type ServerOptions,
  type Session,
  startProcesses,
  startWorkers,
} from "millrace/server";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { sessionKit } from "./suite/kit.js";

const url = "tcp://127.0.0.1:0";
const kit = sessionKit({ url });

/** That something throws or rejects as an argument that is wrong. */
async function refused(call: () => unknown, message: RegExp): Promise<void> {
  const wrong = (error: unknown) => {
    assert.ok(error instanceof InvalidArgumentError, String(error));
    assert.match(error.message, message);
    return true;
  };
  await assert.rejects(async () => call(), wrong);
}

describe("mistakes", () => {
  test("such as taking the hello for the context are told, and let nobody in", async (t) => {
    const causes: unknown[] = [];
    const server = await kit.serve(t, {
      authenticate: (context: ClientHello) => {
        (context as { clientId: string }).clientId = "ada";
      },
      error: (_session, cause) => causes.push(cause),
    });
    await assert.rejects(kit.join(t, server, { clientId: "eve" }), /a fault of the server/);
    assert.ok(causes[0] instanceof TypeError);
    assert.match(causes[0].message, /assign context.clientId/);
    const frozen = await kit.serve(t, { authenticate: (hello) => Object.isFrozen(hello) });
    await kit.join(t, frozen, { clientId: "eve" });
    await until("it has begun", () => frozen.sessionCount === 1);
    assert.equal(frozen.sessionsOf("eve")[0]!.data, true);
  });

  test("in what a client subscribes and publishes to are told before anything is sent", async (t) => {
    const server = await kit.serve(t, { subscribe: () => true });
    const client = await kit.join(t, server);
    const from = (value: unknown) => client.subscribe("a", { from: value as SubscribeFrom });
    await refused(() => from("newest"), /from must be "oldest", "last" or a cursor, and not "newest"/);
    await refused(() => from(5), /and not 5/);
    await refused(() => from({ epoch: -1, sequence: 0 }), /from.epoch must be an integer/);
    await refused(() => client.subscribe("a", { form: "oldest" } as never), /did you mean from\?/);
    await refused(() => client.subscribe("a", 5 as never), /options must be/);
    for (const call of ["subscribe", "unsubscribe"] as const) {
      await refused(() => client[call](5 as never), /a pattern must be text, and not 5/);
    }
    await refused(() => client.publish(5 as never, "x"), /a topic must be text, and not 5/);
    await refused(() => client.send(5 as never), /must be a Uint8Array or text, and not 5/);
    await assert.rejects(client.publish("a", new Uint8Array(2 ** 20 + 1)), FrameTooLargeError);
    assert.ok(await client.subscribe("a", { from: "oldest" }));
  });

  test("in whom a server is to reach are told", async (t) => {
    const server = await kit.serve(t, {});
    const targets: readonly [unknown, RegExp][] = [
      [undefined, /a target must be .*, and not undefined/],
      [null, /and not null/],
      [5, /and not 5/],
      [{}, /and not an object/],
      [{ clientID: "c" }, /and not an object with "clientID"/],
      [{ clientId: 5 }, /and not \{clientId: 5\}/],
    ];
    for (const [target, message] of targets) {
      await refused(() => server.sendTo(target as never, "x"), message);
      await refused(() => server.request(target as never, "x"), message);
    }
    assert.equal(server.sendTo({ clientId: "nobody" }, "x"), "gone");
    assert.equal(server.sendTo("nobody", "x"), "gone");
    await refused(() => server.revoke(undefined as never), /a client id must be text, and not undefined/);
    await refused(() => server.revoke(5 as never), /and not 5/);
    await refused(() => server.reauthorise(5 as never), /mayStay must be a function, and not 5/);
    await refused(() => server.sessions(5 as never), /filter must be an object .*, and not 5/);
    await refused(() => server.sessions({ cursor: "zz" as never }), /cursor must be an integer/);
    await refused(() => server.sessions({ limit: -1 } as never), /there is no option "limit"/);
  });

  test("in who closed a server do not pass for success", async (t) => {
    const server = await kit.serve(t, {});
    await server.close();
    assert.throws(() => server.publish("a", "x"), ListenerClosedError);
    await assert.rejects(server.reload({ idleTimeoutMs: 5 }), ListenerClosedError);
  });

  test("in lists are told by the item that is wrong", async () => {
    const wrong: readonly [Partial<Record<keyof ServerOptions, unknown>>, RegExp][] = [
      [{ middleware: [{ name: "a" }, 5] }, /a list of Middleware objects, and middleware\[1\] is 5/],
      [{ middleware: 5 }, /middleware must be a list of Middleware objects, and not 5/],
      [{ plugins: [{}] }, /plugins\[0\] is an object/],
      [{ transports: [null] }, /transports\[0\] is null/],
      [{ listen: [url, null] }, /listen must be a URL, or a list of at least one, and listen\[1\] is null/],
      [{ listen: [] }, /a list of at least one, and not an empty one/],
      [{ dispatcher: { concurrent: -5 } }, /"dispatcher.concurrent"; did you mean concurrency/],
    ];
    for (const [options, message] of wrong) {
      await refused(() => createServer({ listen: url, ...options } as ServerOptions, {}), message);
    }
  });

  test("such as a middleware that is not awaited are told", async () => {
    const key = new Uint8Array(32);
    const middleware = jwt({ key, algorithms: ["HS256"], issuer: "i", audience: "a", singleUse: false });
    const given = { listen: url, middleware: [middleware] } as unknown as ServerOptions;
    await refused(() => createServer(given, {}), /middleware\[0\] is a promise: await it/);
    await middleware;
  });

  test("in the names of what middleware and plugins do are warned of", async (t) => {
    const warnings: string[] = [];
    const listener = ({ message }: Error) => void warnings.push(message);
    process.on("warning", listener);
    t.after(() => process.off("warning", listener));
    const middleware = [{ name: "m", onIncoming: () => {} }];
    const plugins = [{ name: "p", setUp: () => {}, hooks: { close: () => {} } }];
    await kit.serve(t, {}, { middleware, plugins } as Partial<ServerOptions>);
    await until("all are warned of", () => warnings.length === 2);
    assert.deepEqual(warnings, [
      'middleware "m".onIncoming is never called; there is incoming',
      'plugin "p".setUp is never called; there is setup',
    ]);
    for (const options of [
      { middleware: [{ name: "m", incoming: 5 }] },
      { plugins: [{ name: "p", setup: 5 }] },
      { plugins: [{ name: "p", hooks: { close: 5 } }] },
    ]) {
      await refused(
        () => createServer({ listen: url, ...options } as never, {}),
        /must be a function, and not 5/,
      );
    }
    const hooks = (given: object) => () =>
      createServer({ listen: url, plugins: [{ name: "p", hooks: given }] }, {});
    await refused(hooks({ onClose: () => {} }), /hooks.onClose is never called; did you mean close\?/);
    await refused(hooks({ elephants: () => {} }), /hooks.elephants is never called; there are open, drain/);
  });

  test("in topics' options, and in where a server's session subscribes from, are named as they are there", async (t) => {
    const topics = (given: object) => () => createServer({ listen: url, topics: given }, {});
    await refused(topics({ history: 5 }), /^topics.history must be an object or Map/);
    await refused(topics({ history: { a: { counts: 1 } } }), /counts"; did you mean count\?/);
    await refused(topics({ history: { "a..b": {} } }), /^a pattern of topics.history must/);
    await refused(topics({ maxTopic: 1 }), /"topics.maxTopic"; did you mean maxTopics\?/);
    const opened = deferred<Session>();
    const server = await kit.serve(t, { open: (session) => opened.resolve(session) });
    await kit.join(t, server);
    const session = await opened.promise;
    const subscribe = (options: unknown) => () => server.subscribe(session, "a", options as object);
    await refused(
      subscribe({ from: "newest" }),
      /from must be "oldest", "last" or a cursor, and not "newest"/,
    );
    await refused(subscribe({ form: "oldest" }), /did you mean from\?/);
    await refused(subscribe({ from: { epoch: -1, sequence: 0 } }), /from.epoch must be an integer/);
    assert.deepEqual(server.subscriptionsOf(session), []);
  });

  test("in how processes and threads are begun are named before any is", async () => {
    await refused(
      () => startProcesses(undefined as never),
      /options must be an object \{module, .*handleSignals\}/,
    );
    await refused(
      () => startProcesses({ module: "/a.js", proceses: 1 } as never),
      /did you mean processes\?/,
    );
    await refused(
      () => startProcesses({ module: "/a.js", elephants: 1 } as never),
      /there are module, .*processes, host, handleSignals/,
    );
    for (const start of [startProcesses, startWorkers]) {
      const module = new URL("http://localhost/app.js");
      await refused(() => start({ module }), /module must be a URL of file:, data: or node:/);
    }
  });

  test("in the client's own options stay what they were: no connection is made", async () => {
    await refused(() => connect("tcp://127.0.0.1:9", 5 as never), /must be/);
    await refused(() => connect([]), /urls is an empty list/);
    await refused(() => connect("localhost:4433"), /"localhost:4433" has no scheme; write it like quic:/);
    await refused(() => connect(["tcp://127.0.0.1:9", 5 as never]), /must be a string/);
  });
});
