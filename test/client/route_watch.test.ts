import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TransportConnection } from "millrace";
import { Heartbeat } from "#internal/client/heartbeat.js";
import { Pace } from "#internal/client/pace.js";
import { RouteWatch } from "#internal/client/route_watch.js";
import { type AutoSwitchOptions, type Move, readAutoSwitch } from "#internal/client/switch_policy.js";
import { Kind } from "#internal/frame/frame.js";
import { VirtualTime } from "../kit/virtual_time.js";

const [quic, wss] = ["quic://a:1", "wss://a:2"] as const;

/** A session on WebSocket that measures nothing itself, and a clock that stands still. */
function watching(
  options: AutoSwitchOptions = {},
  urls: readonly string[] = [wss, quic],
  measure?: TransportConnection["measure"],
) {
  const time = new VirtualTime();
  const session = {
    urls,
    isQuiet: true,
    moves: [] as Move[],
    shift: (move: Move) => session.moves.push(move),
  };
  let pings = 0;
  const send = () => {
    pings += 1;
    return "sent";
  };
  const connection = { state: "open", roundTripMs: undefined, send, ...(measure && { measure }) };
  const welcome = { heartbeatMs: undefined };
  const heartbeat = new Heartbeat({ connection, codec: undefined, welcome } as never, time, new Pace());
  const watch = new RouteWatch(readAutoSwitch(options === undefined ? true : options), time, session);
  watch.begin(urls[0]!, heartbeat, connection);
  return { time, session, watch, heartbeat, pings: () => pings };
}

describe("the watch over a session's connection", () => {
  it("sends nothing while nothing is on its way, and while something comes", () => {
    const { time, session, heartbeat, pings } = watching();
    time.advance(100_000);
    session.isQuiet = false;
    for (let i = 0; i < 100; i += 1) {
      heartbeat.heard(Kind.Message);
      time.advance(1_000);
    }
    assert.equal(pings(), 0);
    assert.deepEqual(session.moves, []);
  });

  it("asks where something is on its way and nothing comes, and is content with an answer", () => {
    const { time, session, heartbeat, pings } = watching();
    session.isQuiet = false;
    for (let i = 0; i < 60; i += 1) {
      time.advance(1_000);
      if (pings() > i / 2) heartbeat.heard(Kind.Pong);
    }
    assert.ok(pings() > 10);
    assert.deepEqual(session.moves, [], "a handler may take its time");
  });

  it("says that a connection has stalled on which that is not answered", () => {
    const { time, session } = watching({ stallMs: 5_000 });
    session.isQuiet = false;
    time.advance(5_999);
    assert.deepEqual(session.moves, []);
    time.advance(1);
    assert.deepEqual(session.moves, [{ kind: "leave", urls: [quic], reason: "stalled" }]);
  });

  it("notices a short stall after one and a half of its time at the latest", () => {
    const { time, session, heartbeat } = watching({ stallMs: 200 });
    session.isQuiet = false;
    for (let i = 0; i < 10; i += 1) {
      time.advance(25);
      heartbeat.heard(Kind.Message);
    }
    time.advance(299);
    assert.deepEqual(session.moves, []);
    time.advance(1);
    assert.equal(session.moves.length, 1);
  });

  it("measures more often where answers have become slow, and leaves when they stay so", () => {
    const { time, session, heartbeat, pings } = watching();
    const answer = (afterMs: number) => {
      heartbeat.ping();
      time.advance(afterMs);
      heartbeat.heard(Kind.Pong);
    };
    for (let i = 0; i < 10; i += 1) answer(50);
    assert.equal(pings(), 10);
    for (let i = 0; i < 60 && session.moves.length === 0; i += 1) answer(900);
    assert.ok(pings() > 20);
    assert.deepEqual(session.moves[0], { kind: "leave", urls: [quic], reason: "slow" });
  });

  /** A connection of which each second so many packets are sent, and so many of them lost. */
  function losing(options: AutoSwitchOptions) {
    const counts = { packetsSent: 0, packetsLost: 0 };
    const watched = watching(options, [quic, wss], async () => ({ roundTripMs: undefined, ...counts }));
    const pass = async (seconds: number, sent: number, lost: number) => {
      for (let i = 0; i < seconds; i += 1) {
        counts.packetsSent += sent;
        counts.packetsLost += lost;
        watched.time.advance(1_000);
        await new Promise(setImmediate); // the answer of the transport
        watched.heartbeat.heard(Kind.Pong);
      }
      return watched.session.moves.splice(0);
    };
    return { ...watched, pass };
  }
  const leave = { kind: "leave", urls: [wss], reason: "lossy" };

  it("leaves a connection of whose packets too many are lost, when they have been for so long", async () => {
    const { pass } = losing({ lossRate: 0.1, badForMs: 10_000 });
    assert.deepEqual(await pass(60, 100, 5), [], "less than that");
    assert.deepEqual(await pass(8, 100, 20), [], "not for long enough");
    assert.deepEqual((await pass(10, 100, 20))[0], leave);
    const strict = losing({ lossRate: 0.02, badForMs: 5_000 });
    assert.deepEqual((await strict.pass(20, 100, 5))[0], leave);
  });

  it("stays where losses were a burst, and does not take one packet of few for much", async () => {
    const { pass } = losing({ lossRate: 0.1, badForMs: 10_000 });
    assert.deepEqual(await pass(4, 100, 30), []);
    assert.deepEqual(await pass(60, 100, 0), []);
    assert.deepEqual(await pass(1, 1, 1), []);
    assert.deepEqual(await pass(60, 0, 0), []);
  });

  it("counts it as bad at the edge, once it was: it does not begin anew with every measurement", async () => {
    const { pass } = losing({ lossRate: 0.1, badForMs: 20_000 });
    await pass(10, 100, 20);
    assert.deepEqual((await pass(20, 100, 7))[0], leave);
    const never = losing({ lossRate: 0.1, badForMs: 20_000 });
    assert.deepEqual(await never.pass(60, 100, 7), []);
  });

  it("forgets those that have come after all, and asks one thing at a time", async () => {
    const { pass } = losing({ lossRate: 0.1, badForMs: 2_000 });
    await pass(1, 10, 3);
    for (let i = 0; i < 20; i += 1) assert.deepEqual([await pass(1, 10, -3), await pass(1, 10, 3)], [[], []]);
    let asked = 0;
    const silent = watching({}, [quic, wss], () => {
      asked += 1;
      return new Promise(() => {});
    });
    silent.time.advance(10_000);
    assert.equal(asked, 1);
  });

  it("ends with the connection, and does not begin where there is no choice", () => {
    const { time, session, watch } = watching({ stallMs: 1_000 });
    session.isQuiet = false;
    watch.end();
    time.advance(60_000);
    assert.deepEqual(session.moves, []);
    const alone = watching({ stallMs: 1_000 }, [wss]);
    alone.session.isQuiet = false;
    alone.time.advance(60_000);
    assert.deepEqual([alone.session.moves, alone.pings()], [[], 0]);
  });
});
