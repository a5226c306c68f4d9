import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type AutoSwitchOptions,
  autoSwitchOptions,
  type Measurement,
  SwitchPolicy,
  type Verdict,
} from "#internal/client/switch_policy.js";
import { readOptions } from "#internal/options/read.js";

const [quic, wss, tls] = ["quic://a:1", "wss://a:2", "tls://a:3"] as const;
const stay: Verdict = { kind: "stay" };

/** A session on a URL, as its policy sees it. */
function on(url: string, options: AutoSwitchOptions = {}, urls: readonly string[] = [quic, wss, tls]) {
  const policy = new SwitchPolicy(() => urls, readOptions(autoSwitchOptions, options));
  policy.arrived(url, 0);
  let nowMs = 0;
  const judge = (measured: Measurement = {}) => policy.judge(measured, nowMs);
  return {
    policy,
    judge,
    now: () => nowMs,
    pass: (ms: number) => {
      nowMs += ms;
    },
    /** Measures the same again and again, each second. @returns the first verdict that is not to stay. */
    during: (ms: number, measured: Measurement): Verdict => {
      for (const endMs = nowMs + ms; nowMs < endMs; ) {
        nowMs += 1_000;
        const verdict = judge(measured);
        if (verdict.kind !== "stay") return verdict;
      }
      return stay;
    },
    move: (verdict: Verdict, to: string) => {
      policy.left(verdict, nowMs);
      policy.arrived(to, nowMs);
    },
  };
}

describe("a session on a URL that is not its first choice", () => {
  it("tries those before it after a while, and no others", () => {
    const session = on(wss);
    session.pass(29_999);
    assert.deepEqual(session.judge(), stay);
    session.pass(1);
    assert.deepEqual(session.judge(), { kind: "upgrade", urls: [quic] });
    const first = on(quic);
    first.pass(1_000_000);
    assert.deepEqual(first.judge(), stay);
    const worst = on(tls, { upgradeAfterMs: 10 });
    worst.pass(10);
    assert.deepEqual(worst.judge(), { kind: "upgrade", urls: [quic, wss] });
  });

  it("tries less and less often where they do not answer, and never gives up", () => {
    const session = on(wss, { upgradeAfterMs: 1_000 });
    const waits: number[] = [];
    for (let i = 0; i < 7; i += 1) {
      const before = session.now();
      const verdict = session.during(100_000, {});
      assert.equal(verdict.kind, "upgrade");
      waits.push(session.now() - before);
      session.policy.failed(verdict, session.now());
    }
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]);
  });
});

describe("a session on a connection that becomes bad", () => {
  it("leaves it when round trips have taken several times as long for a while", () => {
    const session = on(quic);
    assert.deepEqual(session.during(60_000, { roundTripMs: 50 }), stay);
    const slowAtMs = session.now();
    const verdict = session.during(60_000, { roundTripMs: 400 });
    assert.deepEqual(verdict, { kind: "leave", urls: [wss, tls], reason: "slow" });
    assert.ok(session.now() - slowAtMs >= 10_000);
  });

  it("stays where that passes sooner, and where the difference is small", () => {
    const session = on(quic);
    session.during(10_000, { roundTripMs: 50 });
    for (let i = 0; i < 10; i += 1) {
      assert.deepEqual(session.during(5_000, { roundTripMs: 400 }), stay);
      assert.deepEqual(session.during(20_000, { roundTripMs: 50 }), stay);
    }
    const near = on(quic);
    near.during(10_000, { roundTripMs: 1 });
    assert.deepEqual(near.during(100_000, { roundTripMs: 80 }), stay, "80 ms are slow for nobody");
  });

  it("is not good again before it is much better: at the edge it counts as bad", () => {
    const session = on(quic, { badForMs: 20_000 });
    session.during(10_000, { roundTripMs: 100 });
    assert.deepEqual(session.during(12_000, { roundTripMs: 600 }), stay);
    // Below what made it bad, above half of that.
    assert.equal(session.during(20_000, { roundTripMs: 320 }).kind, "leave");
    const other = on(quic, { badForMs: 20_000 });
    other.during(10_000, { roundTripMs: 100 });
    assert.deepEqual(other.during(60_000, { roundTripMs: 320 }), stay, "what was never bad is not");
  });

  it("leaves it when too much is lost", () => {
    const session = on(quic);
    assert.deepEqual(session.during(60_000, { lossRate: 0.05 }), stay);
    const verdict = session.during(60_000, { lossRate: 0.3 });
    assert.deepEqual(verdict, { kind: "leave", urls: [wss, tls], reason: "lossy" });
  });

  it("leaves it at once when it stalls", () => {
    const session = on(quic);
    assert.deepEqual(session.judge({ stalledMs: 4_999 }), stay);
    assert.deepEqual(session.judge({ stalledMs: 5_000 }), {
      kind: "leave",
      urls: [wss, tls],
      reason: "stalled",
    });
    const tuned = on(quic, { stallMs: 200 });
    assert.equal(tuned.judge({ stalledMs: 200 }).kind, "leave");
  });

  it("stays when no other answers, and asks them again after a while", () => {
    const session = on(quic, { stallMs: 100 });
    const verdict = session.judge({ stalledMs: 100 });
    session.policy.failed(verdict, session.now());
    session.pass(9_999);
    assert.deepEqual(session.judge({ stalledMs: 10_099 }), stay);
    session.pass(1);
    assert.equal(session.judge({ stalledMs: 10_100 }).kind, "leave");
    assert.deepEqual(on(quic, {}, [quic]).judge({ stalledMs: 60_000 }), stay);
  });

  it("goes over to no other that is as slow, where that is why it leaves", () => {
    const session = on(quic);
    session.during(10_000, { roundTripMs: 50 });
    const verdict = session.during(100_000, { roundTripMs: 400 });
    assert.equal(session.policy.isWorth(verdict, 600), true);
    assert.equal(session.policy.isWorth(verdict, 2_000), false);
    assert.equal(session.policy.isWorth({ ...verdict, reason: "stalled" } as Verdict, 2_000), true);
    assert.equal(session.policy.isWorth({ kind: "upgrade", urls: [] }, 2_000), true);
  });
});

describe("a session that has left a URL", () => {
  it("does not go back at once, and each time later", () => {
    const session = on(quic, { upgradeAfterMs: 1_000, avoidMs: 60_000 });
    const away: number[] = [];
    for (let i = 0; i < 6; i += 1) {
      session.move(session.judge({ stalledMs: 5_000 }), wss);
      const leftAtMs = session.now();
      const back = session.during(10_000_000, {});
      assert.deepEqual(back, { kind: "upgrade", urls: [quic] });
      away.push((session.now() - leftAtMs) / 60_000);
      session.move(back, quic);
    }
    assert.deepEqual(away, [1, 2, 4, 8, 16, 16]);
  });

  it("forgives it when it has been good for as long", () => {
    const session = on(quic, { upgradeAfterMs: 1_000 });
    session.move(session.judge({ stalledMs: 5_000 }), wss);
    session.move(session.during(60_000, {}), quic);
    session.pass(60_000);
    session.move(session.judge({ stalledMs: 5_000 }), wss);
    session.pass(60_000);
    assert.deepEqual(session.judge(), { kind: "upgrade", urls: [quic] });
  });

  it("tries even that where all is silent", () => {
    const session = on(quic, {}, [quic, wss]);
    session.move(session.judge({ stalledMs: 5_000 }), wss);
    session.pass(1_000);
    assert.deepEqual(session.judge({ lossRate: 1 }), stay);
    assert.deepEqual(session.judge({ stalledMs: 5_000 }), { kind: "leave", urls: [quic], reason: "stalled" });
  });
});
