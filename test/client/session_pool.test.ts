import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ClientSession } from "millrace/client";
import { Backoff } from "#internal/client/backoff.js";
import { SessionPool } from "#internal/client/session_pool.js";
import { deferred } from "../kit/deferred.js";
import { VirtualTime } from "../kit/virtual_time.js";

/** A session that answers pings as it is told to, and whose requests end when they are told to. */
class FakeSession {
  state = "connected";
  bytesQueued = 0;
  answers = true;
  readonly #closed = deferred();
  readonly gate = deferred<string>();
  readonly closed = this.#closed.promise;

  async ping(): Promise<number> {
    if (!this.answers) throw new Error("silence");
    return 1;
  }

  request(): Promise<string> {
    return this.gate.promise;
  }

  async close(): Promise<void> {
    this.state = "disconnected";
    this.#closed.resolve();
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function pool(size: number) {
  const time = new VirtualTime();
  const made: FakeSession[] = [];
  const network = { isDown: false };
  const options = { attempts: Infinity, delayMs: 100, maxDelayMs: 100, factor: 1, jitter: 0 };
  const sessions = new SessionPool(
    { size, healthCheckMs: 1_000, healthTimeoutMs: 500 },
    {
      connect: async () => {
        if (network.isDown) throw new Error("down");
        made.push(new FakeSession());
        return made.at(-1) as unknown as ClientSession;
      },
      backoff: () => new Backoff(options, time),
      clock: time,
      signal: undefined,
    },
  );
  await sessions.begin();
  /** Lets time pass, and all be heard that comes of it. */
  const pass = async (ms: number) => {
    for (let i = 0; i < ms / 100; i += 1) {
      time.advance(100);
      for (let turns = 0; turns < 5; turns += 1) await turn();
    }
  };
  const current = () => sessions.members.map(({ session }) => made.indexOf(session as never));
  return { sessions, made, network, pass, current };
}

describe("the places of a pool", () => {
  it("get another session where one gives no sign of life, which ends when its work is done", async () => {
    const { sessions, made, pass, current } = await pool(2);
    const [first] = made;
    const reply = sessions.request("work") as Promise<unknown>;
    first!.answers = false;
    await pass(1_500);
    assert.deepEqual(current(), [2, 1]);
    assert.equal(sessions.replaced, 1);
    assert.equal(first!.state, "connected", "somebody waits for its answer");
    first!.gate.resolve("done");
    assert.equal(await reply, "done");
    await turn();
    assert.equal(first!.state, "disconnected");
    await sessions.close();
  });

  it("keep a session that answers again before another is found, and pick it last until then", async () => {
    const { sessions, made, network, pass, current } = await pool(2);
    made[0]!.answers = false;
    network.isDown = true;
    await pass(1_500);
    for (let i = 0; i < 3; i += 1) assert.equal(sessions.lease().session, made[1] as unknown);
    made[0]!.answers = true;
    await pass(1_000);
    network.isDown = false;
    await pass(5_000);
    assert.deepEqual(current(), [0, 1]);
    assert.equal(sessions.replaced, 0);
    assert.equal(sessions.lease().session, made[0] as unknown);
    await sessions.close();
  });

  it("are filled again as soon as that can be, where sessions are over", async () => {
    const { sessions, made, network, pass, current } = await pool(2);
    network.isDown = true;
    for (const session of [...made]) await session.close();
    await pass(3_000);
    assert.deepEqual(current(), []);
    await assert.rejects(sessions.request("work") as Promise<unknown>, {
      code: "ERR_MILLRACE_CONNECTION_LOST",
    });
    network.isDown = false;
    await pass(200);
    assert.deepEqual(current().length, 2);
    await sessions.close();
    await pass(5_000);
    assert.ok(made.every(({ state }) => state === "disconnected"));
  });
});
