import assert from "node:assert/strict";
import { once } from "node:events";
import { before, describe, type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import { AddressInUseError, connect, InvalidArgumentError, listen } from "millrace";
import { Authority } from "millrace/testing";
import { hasUws, nodeMajor, nodeMinor } from "../kit/node_version.js";
import { until } from "../kit/until.js";

const authority = await Authority.make();
const identity = await authority.issue();
const options = { tls: identity, reusePort: true };
const tls = { ca: authority.certificate };
const module = new URL("./reuse_port_worker.js", import.meta.url);

/** A thread that listens. */
class Sharer {
  opened = 0;
  readonly #worker: Worker;
  readonly #ended: Promise<unknown>;

  private constructor(worker: Worker) {
    this.#worker = worker;
    this.#ended = once(worker, "exit");
    worker.on("message", (message) => {
      if (message === "open") this.opened += 1;
    });
  }

  static async listen(t: TestContext, url: string): Promise<{ sharer: Sharer; url: string }> {
    const worker = new Worker(module, { workerData: { url, options } });
    const sharer = new Sharer(worker);
    t.after(() => sharer.close());
    const [answer] = (await once(worker, "message")) as [{ url?: string; message?: string }];
    assert.ok(answer.url !== undefined, answer.message);
    return { sharer, url: answer.url };
  }

  /** Makes the thread end, with all that it has open. */
  async close(): Promise<void> {
    this.#worker.postMessage("exit");
    await this.#ended;
  }
}

const nodeShares =
  nodeMajor >= 24 || (nodeMajor === 23 && nodeMinor >= 1) || (nodeMajor === 22 && nodeMinor >= 12);

for (const [name, url, shares, library = ""] of [
  ["QUIC", "quic://127.0.0.1:0", true],
  ["WebSocket by uWebSockets.js", "ws://127.0.0.1:0", true, "uws"],
  ["WebSocket by ws", "ws://127.0.0.1:0", nodeShares, "ws"],
  ["WebSocket in TLS", "wss://127.0.0.1:0", nodeShares],
  ["TCP", "tcp://127.0.0.1:0", nodeShares],
  ["TCP in TLS", "tls://127.0.0.1:0", nodeShares],
] as const) {
  if (library === "uws" && !hasUws) continue;
  describe(`a port that several threads share, on ${name}`, () => {
    before(() => {
      process.env.MILLRACE_WEBSOCKET = library;
    });

    if (!shares) {
      test("is refused where this Node cannot", async () => {
        await assert.rejects(listen(url, {}, options), (error: Error) => {
          assert.ok(error instanceof InvalidArgumentError);
          assert.match(error.message, /^reusePort on tcp, tls and wss needs Node 22\.12 or later on Linux/);
          return true;
        });
      });
      return;
    }

    test("gives connections to each of them, and to who is left when one goes", async (t) => {
      const one = await Sharer.listen(t, url);
      const other = await Sharer.listen(t, one.url);
      assert.equal(other.url, one.url);
      await assert.rejects(listen(one.url, {}, { tls: identity }), AddressInUseError, "who does not share");
      const sharers = [one.sharer, other.sharer];
      const count = () => sharers.reduce((sum, { opened }) => sum + opened, 0);
      let dialled = 0;
      const dial = async () => {
        const connection = await connect(one.url, {}, { tls });
        t.after(() => connection.close({ graceful: false }));
        dialled += 1;
      };
      await until("both have some", async () => {
        await dial();
        return sharers.every(({ opened }) => opened > 0);
      });
      await until("each connection is one's", () => count() === dialled);
      await one.sharer.close();
      const before = other.sharer.opened;
      for (let index = 0; index < 8; index++) await dial();
      await until("all new ones are the other's", () => other.sharer.opened === before + 8);
    });

    test("can be asked for by the first alone", async (t) => {
      const { sharer, url: shared } = await Sharer.listen(t, url);
      await (await connect(shared, {}, { tls })).close();
      assert.equal(sharer.opened, 1);
    });
  });
}
