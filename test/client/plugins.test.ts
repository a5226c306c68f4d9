import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InvalidArgumentError } from "millrace";
import { type ClientBehaviour, type ClientPlugin, type ClientSession, withPlugins } from "millrace/client";
import { until } from "../kit/until.js";
import { sessionKit } from "../server/suite/kit.js";

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });

describe("plugins of a client", () => {
  test("see what its session does before the application, those first that others need, and are disposed of in reverse", async (t) => {
    const log: string[] = [];
    const plugin = (name: string, dependencies: readonly string[]): ClientPlugin => ({
      name,
      dependencies,
      setup: (session) => log.push(`${name} set up ${session.state}`),
      hooks: {
        connected: (_session, { resumed }) => log.push(`${name} connected ${resumed}`),
        close: () => log.push(`${name} close`),
      },
      dispose: () => log.push(`${name} disposed of`),
    });
    const server = await kit.serve(t, {});
    const behaviour = withPlugins({ connected: () => log.push("own connected") }, [
      plugin("b", ["a"]),
      plugin("a", []),
    ]);
    const client = await kit.join(t, server, {}, behaviour);
    await until("it has begun", () => server.sessionCount === 1);
    client.abandon();
    await until("it is detached", () => client.state === "disconnected");
    assert.equal(await client.switchTo(server.urls[0]!), true);
    await client.close();
    assert.deepEqual(log, [
      ...["a set up connected", "b set up connected"],
      ...["a connected false", "b connected false", "own connected"],
      ...["a connected true", "b connected true", "own connected"],
      ...["a close", "b close", "b disposed of", "a disposed of"],
    ]);
  });

  test("leave the application's handlers what they were, and what one throws is told and stops nobody", async (t) => {
    class Application implements ClientBehaviour {
      readonly #heard: string[] = [];
      readonly requests = { heard: () => this.#heard.join() };

      message(_session: ClientSession, message: { text(): string }): void {
        this.#heard.push(message.text());
      }

      error(_session: ClientSession, cause: unknown): void {
        this.#heard.push(String(cause));
      }
    }
    const broken: ClientPlugin = {
      name: "broken",
      hooks: {
        connected: () => {
          throw new Error("at once");
        },
        drain: async () => {
          throw new Error("never called");
        },
      },
    };
    const seen: string[] = [];
    const witness: ClientPlugin = {
      name: "witness",
      hooks: {
        connected: () => seen.push("connected"),
        error: (_session, cause) => seen.push(String(cause)),
      },
    };
    const server = await kit.serve(t, {});
    await kit.join(t, server, { clientId: "ada" }, withPlugins(new Application(), [broken, witness]));
    await until("it has begun", () => server.sessionCount === 1);
    server.sendTo({ clientId: "ada" }, "hello");
    const reply = await server.request({ clientId: "ada" }, "heard");
    assert.equal(reply.status === "success" && reply.text(), "Error: at once,hello");
    assert.deepEqual(seen, ["Error: at once", "connected"]);
  });

  test("are refused where one is missing, there twice, none, or has a hook that is none", () => {
    const wrong: readonly (readonly [readonly unknown[], RegExp])[] = [
      [[{ name: "a", dependencies: ["b"] }], /"a" needs "b", which is not there/],
      [[{ name: "a" }, { name: "a" }], /two of the name "a"/],
      [[{}], /plugins\[0\] is an object/],
      [[{ name: "a", hooks: { message: () => {} } }], /hooks.message is never called/],
      [[{ name: "a", setup: 5 }], /must be a function, and not 5/],
    ];
    for (const [plugins, message] of wrong) {
      assert.throws(
        () => withPlugins({}, plugins as readonly ClientPlugin[]),
        (error) => {
          assert.ok(error instanceof InvalidArgumentError);
          assert.match(error.message, message);
          return true;
        },
      );
    }
  });
});
