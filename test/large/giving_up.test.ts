import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Acknowledgement, FailureCode } from "millrace/server";
import { installFakeClock } from "millrace/testing";
import type { Port } from "#internal/large/port.js";
import { tellAbort } from "#internal/large/sending.js";

/** A session whose other side answers so, and when it was asked. */
function portThat(answers: (tries: number) => Acknowledgement) {
  const askedAtMs: number[] = [];
  const sendAcked = async () => {
    askedAtMs.push(performance.now());
    return answers(askedAtMs.length);
  };
  return { port: { sendAcked } as unknown as Port, askedAtMs };
}

const overloaded: Acknowledgement = {
  ...{ status: "rejected", code: FailureCode.overloaded, reason: "too much waits already" },
};

describe("a large message that is given up", () => {
  test("is told so ever less often where that finds no room, and not for ever", async (t) => {
    const clock = installFakeClock();
    t.after(() => clock.uninstall());
    const { port, askedAtMs } = portThat(() => overloaded);
    let isOver = false;
    const told = tellAbort(port, 1, "normal", "given up").then(() => {
      isOver = true;
    });
    for (let second = 0; second < 120 && !isOver; second += 1) await clock.advance(1_000);
    assert.ok(isOver, `${askedAtMs.length} times, and again`);
    await told;
    assert.equal(askedAtMs.length, 14);
    const waits = askedAtMs.slice(1).map((atMs, i) => atMs - askedAtMs[i]!);
    assert.deepEqual(
      waits,
      Array.from({ length: 13 }, (_, i) => 5 * 2 ** i),
    );
    await clock.advance(3_600_000);
    assert.equal(askedAtMs.length, 14);
  });

  test("is told so when there is room again", async (t) => {
    const clock = installFakeClock();
    t.after(() => clock.uninstall());
    const done: Acknowledgement = { status: "acknowledged" } as Acknowledgement;
    const { port, askedAtMs } = portThat((tries) => (tries < 6 ? overloaded : done));
    const told = tellAbort(port, 1, "normal", "given up");
    await clock.advance(1_000);
    await told;
    assert.equal(askedAtMs.length, 6);
  });
});
