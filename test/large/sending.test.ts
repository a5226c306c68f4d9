import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { AbortedError, InvalidArgumentError, TimeoutError } from "millrace";
import {
  clientReceivesLarge,
  type LargeMessage,
  type SendLargeOptions,
  sendLarge,
  serverReceivesLarge,
} from "millrace/large";
import { createPair, installFakeClock, type PairOptions } from "millrace/testing";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";

const KIB = 1_024;

async function pairThat(
  t: TestContext,
  large: (session: unknown, message: LargeMessage) => unknown,
  options: PairOptions = {},
  receiving: { readonly idleTimeoutMs?: number } = {},
) {
  const serverBehaviour = serverReceivesLarge({}, { large, ...receiving });
  const clientBehaviour = clientReceivesLarge({}, { large, ...receiving });
  const pair = await createPair({ ...options, serverBehaviour, clientBehaviour });
  t.after(() => pair.close());
  return pair;
}

describe("sendLarge", () => {
  test("tells that a file cannot be read, and closes one of which nothing was read", async (t) => {
    const pair = await pairThat(t, (_session, message) => message.toBytes());
    const missing = createReadStream(join(import.meta.dirname, "nothing"));
    await assert.rejects(sendLarge(pair.client, missing), /ENOENT/);

    const aborted = createReadStream(import.meta.filename);
    await assert.rejects(sendLarge(pair.client, aborted, { signal: AbortSignal.abort() }), AbortedError);
    const wrong = createReadStream(import.meta.filename);
    await assert.rejects(sendLarge(pair.client, wrong, { chunkBytes: 1 }), InvalidArgumentError);
    const closed = createReadStream(import.meta.filename);
    await pair.client.close();
    await assert.rejects(sendLarge(pair.client, closed));
    for (const stream of [aborted, wrong, closed]) await until("it is closed", () => stream.closed);
  });

  test("says which option is wrong, of what may be", async (t) => {
    const pair = await pairThat(t, (_session, message) => message.toBytes());
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ chunkBytes: 1 }, /chunkBytes must be an integer from 1024 to 1048576, and not 1/],
      [{ windowBytes: 1 }, /windowBytes must be an integer from 8192/],
      [{ priority: "low" }, /priority must be "control", "high", "normal" or "bulk"/],
      [{ subject: "" }, /subject must be/],
      [{ onProgress: 5 }, /onProgress must be a function/],
      [{ totalBytes: -1 }, /totalBytes must be/],
      [{ idleTimeoutMs: 0 }, /idleTimeoutMs must be/],
      [{ signal: {} }, /signal must be an AbortSignal/],
      [{ onprogress: () => {} }, /did you mean onProgress/],
      [{ about: () => {} }, /about must be something that JSON has words for, and not a function/],
      [{ about: 5n }, /about must be something that JSON has words for/],
      [{ about: "x".repeat(20_000) }, /about must be short/],
    ];
    for (const [options, message] of wrong) {
      await assert.rejects(sendLarge(pair.client, "x", options as SendLargeOptions), (error) => {
        assert.ok(error instanceof InvalidArgumentError, `${error}`);
        assert.match(error.message, message);
        return true;
      });
    }
    await assert.rejects(sendLarge({} as never, "x"), /session must be a session/);
    await assert.rejects(sendLarge(undefined as never, "x"), /session must be a session/);
    for (const [options, message] of [
      [{}, /large must be a function/],
      [{ large: () => {}, windowBytes: 5 }, /windowBytes must be/],
      [{ large: () => {}, maxTransfers: 0 }, /maxTransfers must be/],
    ] as const) {
      assert.throws(() => serverReceivesLarge({}, options as never), message);
    }
    const behaviour = serverReceivesLarge({}, { large: () => {} });
    assert.throws(
      () => serverReceivesLarge(behaviour, { large: () => {} }),
      /receives large messages already/,
    );
    assert.throws(() => clientReceivesLarge(5 as never, { large: () => {} }), /behaviour must be an object/);
  });

  test("cuts at chunkBytes, and at what both sides take", async (t) => {
    const sizes: number[] = [];
    const large = async (_session: unknown, message: LargeMessage) => {
      for await (const chunk of message) sizes.push(chunk.length);
    };
    const pair = await pairThat(t, large, { server: { maxMessageBytes: 20_000 } });
    await sendLarge(pair.client, new Uint8Array(5_000), { chunkBytes: 2_000 });
    assert.deepEqual(sizes.splice(0), [2_000, 2_000, 1_000]);
    assert.equal(pair.client.maxPayloadBytes, 20_000);
    await sendLarge(pair.client, new Uint8Array(50_000));
    assert.deepEqual(sizes.splice(0), [20_000, 20_000, 10_000]);
    await sendLarge(pair.client, new Uint8Array(50_000), { windowBytes: 8 * KIB });
    assert.equal(Math.max(...sizes.splice(0)), 8 * KIB - 256);
  });

  test("has many pieces on their way, and is no leak to Node.js", async (t) => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on("warning", note);
    t.after(() => process.off("warning", note));
    const pair = await pairThat(t, (_session, message) => message.toBytes());
    await sendLarge(pair.client, new Uint8Array(256 * KIB), { chunkBytes: KIB });
    assert.deepEqual(warnings, []);
  });

  test("comes through where its pieces give way in the queue, or grow old there", async (t) => {
    for (const options of [
      { client: { queueBytes: 80 * KIB, queuePolicy: "drop-oldest", reconnect: { delayMs: 5 } } },
      { client: { offlineMaxAgeMs: 1, reconnect: { delayMs: 5 } } },
      { client: { queueBytes: 20 * KIB, reconnect: { delayMs: 5 } } },
    ] as const satisfies PairOptions[]) {
      const got: Uint8Array[] = [];
      const pair = await pairThat(
        t,
        async (_session, message) => got.push(await message.toBytes()),
        options as PairOptions,
      );
      const bytes = new Uint8Array(512 * KIB).map((_, at) => at % 251);
      let cuts = 0;
      const sent = sendLarge(pair.client, bytes, {
        chunkBytes: 8 * KIB,
        onProgress: ({ bytesTaken }) => {
          if (bytesTaken < (cuts + 1) * 100 * KIB) return;
          cuts += 1;
          pair.client.abandon();
          // What is sent without a connection fills the queue.
          for (let word = 0; word < 20; word += 1) pair.client.send(new Uint8Array(8 * KIB));
        },
      });
      assert.deepEqual(await sent, { bytes: bytes.length });
      assert.equal(Buffer.compare(got[0]!, bytes), 0);
      assert.ok(cuts >= 4);
    }
  });

  test("fails by what its onProgress throws, and by a signal that has fired before", async (t) => {
    const pair = await pairThat(t, (_session, message) => message.toBytes());
    const onProgress = () => {
      throw new RangeError("not so far");
    };
    await assert.rejects(sendLarge(pair.client, new Uint8Array(10), { onProgress }), RangeError);
    const later = async () => onProgress();
    await assert.rejects(sendLarge(pair.client, new Uint8Array(10), { onProgress: later }), RangeError);
    const signal = AbortSignal.abort();
    await assert.rejects(sendLarge(pair.client, new Uint8Array(10), { signal }), { name: "AbortedError" });
  });

  test("gives up who takes nothing for too long, and so does who waits for what does not come", async (t) => {
    const clock = installFakeClock();
    t.after(() => clock.uninstall());
    const gate = deferred();
    const failures: unknown[] = [];
    let isBegun = false;
    const pair = await pairThat(
      t,
      async (_session, message) => {
        if (message.subject === "slow") {
          for await (const _chunk of message) await gate.promise;
          return;
        }
        isBegun = true;
        await message.toBytes().catch((cause) => failures.push(cause));
      },
      {},
      { idleTimeoutMs: 20_000 },
    );
    let given = 0;
    const endless = (function* () {
      for (;;) {
        given += 1;
        yield new Uint8Array(KIB);
      }
    })();
    const sent = assert.rejects(
      sendLarge(pair.client, endless, { subject: "slow", idleTimeoutMs: 10_000 }),
      (error) => error instanceof TimeoutError && /nothing for 10000 ms/.test(error.message),
    );
    await until("it is on its way", () => given > 10);
    await clock.advance(15_000);
    await sent;
    gate.resolve();

    const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
    const abort = new AbortController();
    const silent = assert.rejects(
      sendLarge(pair.client, never, { signal: abort.signal, idleTimeoutMs: 10_000 }),
    );
    await until("it is accepted", () => isBegun);
    await clock.advance(30_000);
    assert.ok(failures[0] instanceof TimeoutError, "and who sends slowly is not at fault itself");
    abort.abort();
    await silent;
  });
});
