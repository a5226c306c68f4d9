import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { FailureCode, type ServerBehaviour } from "millrace/server";
import { encodeEarly, readEarly } from "#internal/delivery/early_request.js";
import { Dispatcher } from "#internal/dispatch/dispatcher.js";
import { Kind } from "#internal/frame/frame.js";
import { EarlyDesk } from "#internal/server/early_desk.js";
import { Handlers } from "#internal/server/handlers.js";
import { Elsewhere } from "#internal/server/threads/elsewhere.js";
import { Peers } from "#internal/server/threads/peers.js";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";

const pay = {
  ...{ kind: Kind.Request, flags: 0, channel: 0, type: 1, seq: 0, ref: 0 },
  ...{ subject: "pay", payload: new Uint8Array(0) },
};
let nonces = 0;

/** So many, each another one. */
function requests(count: number) {
  return readEarly(
    Array.from({ length: count }, () => {
      nonces += 1;
      const nonce = new Uint8Array(16);
      new DataView(nonce.buffer).setUint32(0, nonces);
      return encodeEarly(pay, nonce);
    }),
  );
}

/** A desk whose handler waits, and what it does. */
function deskOf(t: TestContext, maxQueuedPerKey: number) {
  const held = deferred();
  const seen = { running: 0, most: 0, done: 0 };
  const behaviour: ServerBehaviour = {
    earlyRequests: {
      async pay() {
        seen.running += 1;
        seen.most = Math.max(seen.most, seen.running);
        await held.promise;
        seen.running -= 1;
        seen.done += 1;
        return "paid";
      },
    },
  };
  const peers = Peers.create({ maxSessions: 16 });
  t.after(() => peers.close());
  const dispatcher = new Dispatcher({ concurrency: 100, maxQueued: 1_000, maxQueuedPerKey });
  const desk = new EarlyDesk(behaviour, new Handlers(behaviour, []), dispatcher, peers, new Elsewhere(peers));
  /** Asks so many from an address. @returns how each was answered by now, and will be */
  const ask = (address: string, count: number): (number | "answered")[] => {
    const told: (number | "answered")[] = [];
    const client = {
      ...{ clientId: undefined, data: undefined, transport: "quic", resuming: false },
      remoteAddress: { address, port: 1, family: "ipv4" as const },
    };
    desk.answer(requests(count), client as never, 1_000, ({ meta = [] }) => {
      const status = meta.find(({ key }) => key === "status")?.value;
      told.push(status === undefined ? "answered" : status[0]!);
    });
    return told;
  };
  return { held, seen, ask };
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
});
