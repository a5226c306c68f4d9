import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import type { ClientBehaviour } from "millrace/client";
import { clientReceivesLarge, type LargeMessage, sendLarge, serverReceivesLarge } from "millrace/large";
import type { ServerBehaviour } from "millrace/server";
import { createPair, type PairScheme, type StreamRelay } from "millrace/testing";
import { seededRandom } from "../kit/random.js";
import { until } from "../kit/until.js";

const MIB = 1_024 * 1_024;

/** What has come of large messages: their hashes, by subject. */
class Taken {
  readonly hashes = new Map<string, string>();
  readonly large = async (_session: unknown, message: LargeMessage): Promise<void> => {
    const hash = createHash("sha256");
    for await (const chunk of message) hash.update(chunk);
    assert.ok(!this.hashes.has(message.subject!), "it comes once");
    this.hashes.set(message.subject!, hash.digest("hex"));
  };
}

/** Sends both ways at once. @returns what was to come. */
async function sendBothWays(
  pair: {
    readonly client: Parameters<typeof sendLarge>[0];
    readonly session: Parameters<typeof sendLarge>[0];
  },
  bytes: number,
  onProgress: (bytesTaken: number) => void,
): Promise<Map<string, string>> {
  const expected = new Map<string, string>();
  const send = async (session: Parameters<typeof sendLarge>[0], subject: string) => {
    const source = randomBytes(bytes);
    expected.set(subject, createHash("sha256").update(source).digest("hex"));
    let last = 0;
    await sendLarge(session, source, {
      subject,
      onProgress: ({ bytesTaken }) => {
        assert.ok(bytesTaken > last && bytesTaken <= bytes, "progress only grows");
        last = bytesTaken;
        onProgress(bytesTaken);
      },
    });
    assert.equal(last, bytes);
  };
  await Promise.all([send(pair.client, "up"), send(pair.session, "down")]);
  return expected;
}

async function pairOf<Scheme extends PairScheme>(t: TestContext, scheme: Scheme, connected = () => {}) {
  const taken = new Taken();
  const { large } = taken;
  const serverBehaviour: ServerBehaviour = serverReceivesLarge({}, { large });
  const clientBehaviour: ClientBehaviour = clientReceivesLarge({ connected }, { large });
  const client = { reconnect: { delayMs: 5, maxDelayMs: 20 }, autoSwitch: false };
  const pair = await createPair({ scheme, relay: true, serverBehaviour, client, clientBehaviour });
  t.after(() => pair.close());
  return { pair, taken };
}

describe("a large message", () => {
  for (const scheme of ["tcp", "ws"] as const) {
    test(`of 20 MiB each way survives one cut after another over ${scheme}`, {
      timeout: 240_000,
    }, async (t) => {
      const random = seededRandom(20);
      const after = () => ({ resetAfterBytes: 200_000 + random(1_500_000) });
      let relay: StreamRelay | undefined;
      const cutLater = () => relay?.set({ toServer: after(), toClient: after() });
      const { pair, taken } = await pairOf(t, scheme, cutLater);
      relay = pair.relay!;
      cutLater();
      const expected = await sendBothWays(pair, 20 * MIB, () => {});
      assert.deepEqual(new Map([...taken.hashes].sort()), new Map([...expected].sort()));
      assert.ok(relay.counters.resets >= 15, `${relay.counters.resets} cuts`);
    });
  }

  test("of 20 MiB each way survives lost connections and lost datagrams over QUIC", {
    timeout: 240_000,
  }, async (t) => {
    const { pair, taken } = await pairOf(t, "quic");
    const random = seededRandom(21);
    pair.relay!.set({ lossRate: 0.01, reorderRate: 0.05 });
    let losses = 0;
    let next = 0;
    const expected = await sendBothWays(pair, 20 * MIB, (bytesTaken) => {
      if (bytesTaken < next || pair.client.state !== "connected") return;
      next = bytesTaken + random(1_500_000);
      losses += 1;
      if (losses % 3 === 0) void pair.relay!.rebind();
      else pair.client.abandon();
    });
    assert.deepEqual(new Map([...taken.hashes].sort()), new Map([...expected].sort()));
    assert.ok(losses >= 10, `${losses} losses`);
  });

  test("does not survive its session: the server began anew, and both sides say so", async (t) => {
    const failures: unknown[] = [];
    const large = async (_session: unknown, message: LargeMessage) => {
      try {
        for await (const _chunk of message) bytes += 1;
      } catch (cause) {
        failures.push(cause);
        throw cause;
      }
    };
    let bytes = 0;
    const gaps: unknown[] = [];
    const client = { reconnect: { delayMs: 5 } };
    const clientBehaviour = clientReceivesLarge({ gap: (_session, missed) => gaps.push(missed) }, { large });
    const serverBehaviour = serverReceivesLarge({}, { large });
    const pair = await createPair({ client, clientBehaviour, serverBehaviour });
    t.after(() => pair.close());
    const endless = (function* () {
      for (;;) yield new Uint8Array(65_536);
    })();
    const up = assert.rejects(sendLarge(pair.client, endless), { failureCode: 9 });
    const down = assert.rejects(
      sendLarge(
        pair.session,
        (function* () {
          for (;;) yield new Uint8Array(65_536);
        })(),
      ),
      { failureCode: 9 },
    );
    await until("both are on their way", () => bytes > 100);
    pair.client.abandon();
    pair.server.closeSession(pair.session.id, { graceful: false }); // it is not there when its client comes back
    await Promise.all([up, down]);
    await until("who took them is told", () => failures.length === 2);
    assert.equal(gaps.length, 1);
    // The new session carries the next one.
    assert.deepEqual(await sendLarge(pair.client, new Uint8Array(0)), { bytes: 0 });
  });
});
