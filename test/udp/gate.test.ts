import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { noCounters } from "#internal/udp/counters.js";
import { Envelope } from "#internal/udp/envelope.js";
import { Gate, type Verdict } from "#internal/udp/gate.js";
import { readBroadcastOptions } from "#internal/udp/options.js";
import { datagram, fates, hotFrame, query, secret } from "./kit.js";

const frame = hotFrame(4, Buffer.from("hello"));

/** A gate whose clocks stand still, and what it counts. */
function gateAt(nowMs: number, options: Partial<Parameters<typeof readBroadcastOptions>[0]> = {}) {
  const clock = { wallMs: nowMs, elapsed: 0, nowMs: () => clock.wallMs, elapsedMs: () => clock.elapsed };
  const counters = noCounters();
  const gate = new Gate(readBroadcastOptions({ secret, port: 1, ...options }), counters, clock);
  const payloads: string[] = [];
  const admit = (bytes: Uint8Array, verdict: Verdict = "taken") =>
    gate.admit(bytes, ({ frame }) => {
      payloads.push(Buffer.from(frame.payload).toString());
      return verdict;
    });
  const pass = (ms: number) => {
    clock.wallMs += ms;
    clock.elapsed += ms;
  };
  return { gate, clock, counters, payloads, admit, pass };
}

test("a datagram written by the document is taken, and one of ours is what the document says", () => {
  const { admit, payloads, gate } = gateAt(1_000_000);
  admit(datagram(frame, { timeMs: 1_000_000 }));
  assert.deepEqual(payloads, ["hello"]);
  const ours = Buffer.from(gate.seal(frame));
  const again = datagram(frame, { timeMs: 1_000_000, nonce: ours.subarray(16, 32) });
  assert.deepEqual(ours, again);
});

test("the datagram that the document spells out is taken, and its frame is the document's", () => {
  const page = readFileSync(new URL("../../../docs/wire.md", import.meta.url), "utf8");
  const [, spelled] = /a message `hi` is `(4d525544 [0-9a-f ]+)`/.exec(page)!;
  const bytes = Buffer.from(spelled!.replaceAll(" ", ""), "hex");
  const { admit, payloads } = gateAt(1_700_000_000_000, { secret: "0123456789abcdef" });
  admit(bytes);
  assert.deepEqual(payloads, ["hi"]);
});

test("no bit of a datagram can be turned", () => {
  const good = datagram(frame, { timeMs: 1_000_000 });
  for (let bit = 0; bit < good.length * 8; bit++) {
    const { admit, counters, payloads } = gateAt(1_000_000);
    const bad = Buffer.from(good);
    bad[bit >> 3]! ^= 1 << (bit & 7);
    admit(bad);
    assert.equal(payloads.length, 0, `bit ${bit}`);
    assert.equal(counters.malformed + counters.late + counters.forged, 1);
  }
});

test("no datagram can be shortened or made longer", () => {
  const good = datagram(frame, { timeMs: 1_000_000 });
  const { admit, counters } = gateAt(1_000_000);
  for (let bytes = 0; bytes < good.length; bytes++) admit(good.subarray(0, bytes));
  admit(Buffer.concat([good, Buffer.alloc(1)]));
  admit(query(1233, { timeMs: 1_000_000 }));
  assert.equal(counters.taken, 0);
  assert.equal(fates(counters), good.length + 2);
});

test("whatever comes is counted once, and taken only by who has the secret", () => {
  const genuine = fc.constantFrom(
    () => datagram(frame, { timeMs: 1_000_000 }),
    () => query(200, { timeMs: 1_000_000 }),
  );
  const parts = fc.record({
    magic: fc.constantFrom("MRUD", "XXXX"),
    version: fc.integer({ min: 0, max: 255 }),
    reserved: fc.constantFrom(0, 1),
    timeMs: fc.integer({ min: 900_000, max: 1_100_000 }),
    key: fc.constantFrom(secret, "another secret of some length"),
  });
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          genuine.map((make) => ({ bytes: make(), genuine: true })),
          fc.uint8Array({ maxLength: 1_400 }).map((bytes) => ({ bytes, genuine: false })),
          parts.map((given) => ({ bytes: datagram(frame, given), genuine: undefined })),
          fc.uint8Array({ maxLength: 300 }).map((body) => ({
            bytes: datagram(Buffer.from(body), { timeMs: 1_000_000 }), // signed, and no frame
            genuine: undefined,
          })),
        ),
        { maxLength: 30 },
      ),
      (all) => {
        const { admit, counters } = gateAt(1_000_000);
        for (const { bytes } of all) admit(bytes);
        assert.equal(counters.received, all.length);
        assert.equal(fates(counters), all.length);
        assert.ok(counters.taken >= all.filter(({ genuine }) => genuine === true).length);
        assert.ok(counters.taken <= all.filter(({ genuine }) => genuine !== false).length);
      },
    ),
    { numRuns: 200 },
  );
});

test("each fault is counted as what it is", () => {
  const timeMs = 1_000_000;
  const { admit, counters, gate } = gateAt(timeMs, { windowMs: 5_000 });
  admit(datagram(frame, { timeMs: timeMs + 5_000 }));
  admit(datagram(frame, { timeMs: timeMs - 5_000 }));
  assert.equal(counters.taken, 2);
  admit(datagram(frame, { timeMs: timeMs + 5_001 }));
  admit(datagram(frame, { timeMs: timeMs - 5_001 }));
  assert.equal(counters.late, 2);
  admit(datagram(frame, { timeMs, key: "another secret of some length" }));
  assert.equal(counters.forged, 1);
  admit(datagram(frame, { timeMs, magic: "mrud" }));
  admit(datagram(frame, { timeMs, version: 2 }));
  admit(datagram(frame, { timeMs, reserved: 1 }));
  admit(datagram(Buffer.from("no frame"), { timeMs }));
  const compressed = Buffer.from(frame);
  compressed[25] = 1; // flags: deflate
  admit(datagram(compressed, { timeMs }));
  assert.equal(counters.malformed, 5);
  admit(gate.seal(frame));
  assert.equal(counters.own, 1);
  admit(datagram(frame, { timeMs }), "ignored");
  assert.equal(counters.ignored, 1);
  assert.equal(fates(counters), counters.received);
});

test("every secret of a list is taken, and the first one signs", () => {
  const old = "the secret of yesterday, say";
  const { admit, counters, gate } = gateAt(1_000_000, { secret: [secret, Buffer.from(old)] });
  admit(datagram(frame, { timeMs: 1_000_000, key: old }));
  admit(datagram(frame, { timeMs: 1_000_000, key: secret }));
  assert.equal(counters.taken, 2);
  const other = new Envelope([Buffer.from(secret)]);
  assert.equal(typeof other.open(gate.seal(frame), 1_000_000, 1), "object");
});

test("what has come is taken no second time for as long as its time would be, and then it is late", () => {
  const { admit, counters, pass } = gateAt(1_000_000, { windowMs: 5_000 });
  const early = datagram(frame, { timeMs: 1_005_000 });
  admit(early);
  for (const [ms, fate] of [
    [0, "replayed"],
    [4_999, "replayed"],
    [5_001, "replayed"],
    [1, "late"],
  ] as const) {
    pass(ms);
    const before = counters[fate];
    admit(early);
    assert.equal(counters[fate], before + 1, `${ms} ms later`);
  }
  assert.equal(counters.taken, 1);
});

test("a clock that is set back makes nothing new again that is still remembered", () => {
  const { admit, clock, counters, pass } = gateAt(1_000_000, { windowMs: 5_000 });
  const recorded = datagram(frame, { timeMs: 1_000_000 });
  admit(recorded);
  pass(4_000);
  clock.wallMs = 1_000_000 - 3_000;
  pass(7_900);
  admit(recorded); // 11.9 s old, and by the clock 4.9 s
  assert.deepEqual([counters.taken, counters.replayed], [1, 1]);
});

test("a full memory takes nothing new until it has forgotten, and forgets nothing too early", () => {
  const { admit, counters, clock, pass } = gateAt(1_000_000, { windowMs: 5_000, maxNonces: 16 });
  const send = () => admit(datagram(frame, { timeMs: clock.wallMs, nonce: randomBytes(16) }));
  for (let count = 0; count < 20; count++) send();
  assert.deepEqual([counters.taken, counters.dropped], [16, 4]);
  pass(9_999);
  send();
  assert.deepEqual([counters.taken, counters.dropped], [16, 5]);
  pass(2);
  send();
  assert.deepEqual([counters.taken, counters.dropped], [17, 5]);
});

test("no more is looked at in a second than was said", () => {
  const { admit, counters, pass } = gateAt(1_000_000, { maxDatagramsPerSecond: 10 });
  for (let count = 0; count < 25; count++) admit(Buffer.alloc(200));
  assert.deepEqual([counters.malformed, counters.dropped], [10, 15]);
  pass(1_000);
  admit(datagram(frame, { timeMs: 1_001_000 }));
  assert.equal(counters.taken, 1);
});
