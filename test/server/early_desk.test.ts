import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { type EarlyClient, FailureCode, type ServerBehaviour } from "millrace/server";
import { encodeEarly, readEarly } from "#internal/delivery/early_message.js";
import { RequestBudget } from "#internal/delivery/pending_requests.js";
import { Dispatcher } from "#internal/dispatch/dispatcher.js";
import { Kind } from "#internal/frame/frame.js";
import { EarlyDesk } from "#internal/server/early_desk.js";
import { Handlers } from "#internal/server/handlers.js";
import type { EarlyAnswer } from "#internal/server/threads/early_elsewhere.js";
import { Elsewhere } from "#internal/server/threads/elsewhere.js";
import { Peers } from "#internal/server/threads/peers.js";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";

const pay = {
  ...{ kind: Kind.Request as number, flags: 0, channel: 0, type: 1, seq: 0, ref: 0 },
  ...{ subject: "pay", payload: new Uint8Array(0) },
};
const said = { ...pay, kind: Kind.Message };
let nonces = 0;

/** So many, each another one. */
function requests(count: number, frame = pay) {
  return readEarly(
    Array.from({ length: count }, () => {
      nonces += 1;
      const nonce = new Uint8Array(16);
      new DataView(nonce.buffer).setUint32(0, nonces);
      return encodeEarly(frame, nonce);
    }),
  );
}

function clientOf(address: string): EarlyClient<unknown> {
  const remoteAddress = { address, port: 1, family: "ipv4" as const };
  return { clientId: undefined, data: undefined, transport: "quic", resuming: false, remoteAddress } as never;
}

/** Who asks a desk, and how each was answered by now. */
function asking(desk: EarlyDesk<unknown>) {
  return (address: string, asked: number | ReturnType<typeof requests>): (number | "answered")[] => {
    const told: (number | "answered")[] = [];
    const all = typeof asked === "number" ? requests(asked) : asked;
    const tell = ({ meta = [] }: EarlyAnswer) => {
      const status = meta.find(({ key }) => key === "status")?.value;
      told.push(status === undefined ? "answered" : status[0]!);
    };
    desk.answer(all, {
      ...{ client: clientOf(address), maxBytes: 1_000, knowsId: () => false },
      refuse: (_message, answer) => tell(answer),
      take: () => tell,
    });
    return told;
  };
}

/** A desk whose handler waits, and what it does. */
function deskOf(
  t: TestContext,
  maxQueuedPerKey: number,
  peers = Peers.create({ maxSessions: 16, maxEnvironments: 2 }),
) {
  const budget = new RequestBudget(1_000);
  const held = deferred();
  const seen = { running: 0, most: 0, done: 0 };
  const pay = async () => {
    seen.running += 1;
    seen.most = Math.max(seen.most, seen.running);
    await held.promise;
    seen.running -= 1;
    seen.done += 1;
    return "paid";
  };
  const behaviour: ServerBehaviour = { earlyRequests: { pay }, earlyEvents: { pay } };
  t.after(() => peers.close());
  const dispatcher = new Dispatcher({ concurrency: 100, maxQueued: 1_000, maxQueuedPerKey });
  const elsewhere = new Elsewhere(peers, { requestTimeoutMs: 30_000, requestBudget: budget });
  const desk = new EarlyDesk(behaviour, new Handlers(behaviour, []), dispatcher, peers, elsewhere);
  return { held, seen, budget, ask: asking(desk), group: peers.group };
}
describe("early requests", () => {
  test("of one client are answered one after the other, as what it asks in its session is", async (t) => {
    const { held, seen, ask } = deskOf(t, 250);
    const [one, other] = [ask("192.0.2.1", 16), ask("192.0.2.2", 16)];
    await until("they have begun", () => seen.running === 2);
    held.resolve();
    await until("all are answered", () => one.length === 16 && other.length === 16);
    assert.equal(seen.most, 2, "two clients");
    assert.equal(seen.done, 32);
  });

  test("of all clients of an address wait as those of one session may, and no more", async (t) => {
    const { held, seen, ask } = deskOf(t, 4);
    const told = Array.from({ length: 20 }, () => ask("192.0.2.1", 1));
    const refused = told.flat();
    assert.deepEqual(refused, Array(15).fill(FailureCode.tooEarly), "they come in their sessions");
    const elsewhere = ask("192.0.2.2", 1);
    held.resolve();
    await until("the others are answered", () => told.flat().length === 20 && elsewhere.length === 1);
    assert.deepEqual([seen.done, elsewhere], [6, ["answered"]]);
    assert.deepEqual(ask("192.0.2.1", 1), [], "there is room again");
  });

  test("and messages count together", async (t) => {
    const { held, seen, ask } = deskOf(t, 4);
    const told = Array.from({ length: 20 }, (_, at) =>
      ask("192.0.2.1", requests(1, at % 2 === 0 ? pay : said)),
    );
    assert.deepEqual(told.flat(), Array(15).fill(FailureCode.tooEarly), "they come in their sessions");
    held.resolve();
    await until("the others are answered", () => told.flat().length === 20);
    assert.equal(seen.done, 5);
  });

  describe("that another thread does", () => {
    test("wait by address, too, and no more are asked of it than may", async (t) => {
      const owner = deskOf(t, 250);
      const { budget, ask } = deskOf(t, 4, Peers.join(owner.group));
      const all = requests(16);
      const first = owner.ask("192.0.2.1", all);
      const told = ask("192.0.2.1", all);
      assert.deepEqual(told, Array(11).fill(FailureCode.tooEarly), "they come in their sessions");
      const elsewhere = ask("192.0.2.2", all.slice(5, 6));
      assert.equal(budget.current, 6);
      owner.held.resolve();
      await until("the others are answered", () => told.length === 16 && elsewhere.length === 1);
      await until("and the first", () => first.length === 16);
      assert.deepEqual(
        [owner.seen.done, ...elsewhere, ...told.slice(11)],
        [16, ...Array(6).fill("answered")],
      );
      const again = ask("192.0.2.1", all.slice(5, 10));
      await until("there is room again", () => again.length === 5);
      assert.deepEqual([again, budget.current], [Array(5).fill("answered"), 0]);
    });

    test("are asked of it once, however many copies come", async (t) => {
      const owner = deskOf(t, 250);
      const { budget, ask } = deskOf(t, 4, Peers.join(owner.group));
      const all = requests(2);
      owner.ask("192.0.2.1", all);
      const told = Array.from({ length: 50 }, () => ask("192.0.2.1", all));
      assert.deepEqual([told.flat(), budget.current], [[], 2]);
      owner.held.resolve();
      await until("all are answered", () => told.flat().length === 100);
      assert.deepEqual(new Set(told.flat()), new Set(["answered"]));
      assert.equal(owner.seen.done, 2);
    });
  });
});
