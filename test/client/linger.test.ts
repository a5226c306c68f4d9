import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Linger } from "#internal/client/linger.js";
import type { Outgoing } from "#internal/delivery/outbound.js";
import { Kind } from "#internal/frame/frame.js";
import { Half, message, roomy, Wire } from "../delivery/half.js";
import { VirtualTime } from "../kit/virtual_time.js";

const lingerMs = 10;

/** A half whose messages linger on a clock that stands still. */
function lingering({ bytes = 1_000, limits = roomy, wire = new Wire() } = {}) {
  const time = new VirtualTime();
  const half = new Half(limits);
  half.attached(wire);
  let drains = 0;
  const pump = () => {
    if (half.outbound.pump(time.now())) drains += 1;
  };
  const { outbound } = half;
  const linger = new Linger({ lingerMs, lingerBytes: bytes }, time, { outbound, pump });
  const send = (words: string, options: Partial<Outgoing> = {}) =>
    linger.send({ ...message(words), ...options });
  const words = () => wire.takeAll().map((said) => said.text);
  return { time, half, wire, linger, send, words, pump, drains: () => drains };
}

describe("a small message that may linger", () => {
  it("waits so long for others, from the first on, and they go out together, in order", () => {
    const { time, send, words } = lingering();
    assert.equal(send("a"), "sent");
    time.advance(6);
    send("b");
    time.advance(3);
    send("c");
    assert.deepEqual(words(), []);
    time.advance(1);
    assert.deepEqual(words(), ["a", "b", "c"]);
    send("d");
    time.advance(9);
    assert.deepEqual(words(), []);
    time.advance(1);
    assert.deepEqual(words(), ["d"]);
    assert.equal(time.pending, 0);
  });

  it("goes as soon as enough waits, and a large one at once", () => {
    const { time, send, words } = lingering({ bytes: 300 });
    for (let i = 0; i < 4; i += 1) send(`${i}`);
    assert.deepEqual(words(), []);
    send("enough".padEnd(200));
    assert.deepEqual(words(), ["0", "1", "2", "3", "enough".padEnd(200)]);
    send("large".padEnd(300));
    assert.deepEqual(words(), ["large".padEnd(300)]);
    time.advance(1_000);
    assert.deepEqual(words(), []);
  });

  for (const [what, options] of [
    ["a request", { kind: Kind.Request, subject: "s" }],
    ["an answer", { kind: Kind.Response }],
    ["what somebody waits for to be acknowledged", { settled: () => {} }],
    ["what is followed", { watch: { placed: () => {}, sent: () => {} } }],
    ["a message of high priority", { priority: "high" }],
    ["a message with a deadline", { expiresAt: 1_000 }],
    ["an unreliable message", { delivery: "unreliable" }],
  ] as const) {
    it(`goes before ${what}, which does not wait`, () => {
      const { send, words } = lingering();
      send("small");
      assert.equal(send("urgent", options as Partial<Outgoing>), "sent");
      assert.deepEqual(words().sort(), ["small", "urgent"]);
    });
  }

  it("goes when it is flushed, and then nothing is left to be done", () => {
    const { time, linger, send, words } = lingering();
    send("a");
    linger.flush();
    assert.deepEqual(words(), ["a"]);
    assert.equal(time.pending, 0);
  });

  it("is not sent sooner by an acknowledgement of others", () => {
    const { half, send, words, pump, linger } = lingering();
    send("a");
    linger.flush();
    send("b");
    assert.deepEqual(words(), ["a"]);
    half.outbound.acknowledge(0, 1);
    pump();
    assert.deepEqual(words(), []);
    linger.flush();
    assert.deepEqual(words(), ["b"]);
  });

  it("is replaced by a newer one where only the latest is worth sending", () => {
    const { time, send, words } = lingering();
    for (const words of ["1", "2", "3"]) send(words, { delivery: "latest", key: "k" });
    time.advance(lingerMs);
    assert.deepEqual(words(), ["3"]);
  });

  it("counts as queued, and is told to be drained", () => {
    const { time, half, send, words, pump, drains } = lingering({
      limits: { ...roomy, highWaterMarkBytes: 100 },
    });
    assert.equal(send("a".padEnd(30)), "sent");
    assert.equal(send("b".padEnd(30)), "blocked");
    assert.ok(half.outbound.bytesQueued >= 100);
    time.advance(lingerMs);
    assert.equal(drains(), 0, "the connection holds it");
    assert.equal(words().length, 2);
    pump();
    assert.equal(drains(), 1);
  });

  it("waits as all does where the connection takes no more, and where it is lost", () => {
    const wire = new Wire(100);
    const { time, half, send, words, pump } = lingering({ wire });
    for (const words of ["a", "b", "c", "d"]) send(words.padEnd(40));
    time.advance(lingerMs);
    assert.deepEqual(
      words().map((text) => text.trim()),
      ["a", "b"],
    );
    half.outbound.drained();
    pump();
    assert.deepEqual(
      words().map((text) => text.trim()),
      ["c", "d"],
    );
    half.outbound.drained();
    pump();
    send("e");
    half.outbound.detach();
    time.advance(lingerMs);
    send("f");
    const other = half.attached();
    assert.deepEqual(
      other.takeAll().map((said) => said.text.trim()),
      ["a", "b", "c", "d", "e", "f"],
      "those that are not acknowledged, too",
    );
    assert.equal(send("g"), "sent");
    time.advance(lingerMs);
    assert.deepEqual(
      other.takeAll().map((said) => said.text),
      ["g"],
    );
  });

  it("that finds no room leaves what is there as it was", () => {
    const { time, send, words } = lingering({ limits: { ...roomy, queueBytes: 700 }, bytes: 2_000 });
    assert.deepEqual(
      ["a", "b", "c"].map((words) => send(words)),
      ["sent", "sent", "dropped"],
    );
    time.advance(lingerMs);
    assert.deepEqual(words(), ["a", "b"]);
    assert.equal(send("d"), "sent");
  });
});
