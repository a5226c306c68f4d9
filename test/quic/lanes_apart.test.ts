import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { createRelay, type Relay, type RelayFaults } from "millrace/testing";
import { InvalidArgumentError } from "#internal/errors.js";
import { Lane, MAX_LANES } from "#internal/native/constants.js";
import { type FramedEnd, type FramedPairOptions, openFramed } from "../kit/framed_pair.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();
const { identity, ca } = loopback;

function open(t: TestContext, options: Partial<FramedPairOptions> = {}) {
  return openFramed(t, "quic://127.0.0.1:0", { identity, ca, ...options });
}

/** A connection whose client reaches the server through a relay. */
async function openThroughRelay(t: TestContext, faults: RelayFaults = {}) {
  let relay!: Relay;
  const ends = await open(t, {
    way: async (target) => {
      relay = await createRelay({ target, ...faults });
      t.after(() => relay.close());
      return relay.address.port;
    },
  });
  return { ...ends, relay };
}

const upTo = (count: number) => [...Array(count).keys()];

describe("the lanes of a QUIC connection", () => {
  test("do not wait for what another has lost, and each keeps its order", async (t) => {
    const { client, server, relay } = await openThroughRelay(t);
    relay.set({ toServer: { maxDatagramBytes: 900 } });
    client.send(8, 0, 1_000); // too large for the path: lost, as often as it is sent again
    client.send(8, 1);
    // One that goes into a packet with the lost one shares its fate, the others do not.
    let others = 9;
    await until("another lane is heard", () => {
      client.send(others++, 0);
      return server.heard.length > 0;
    });
    assert.deepEqual(server.of(8), []);
    relay.set({ toServer: { maxDatagramBytes: 1_500 } });
    await until("all is heard", () => server.heard.length === others - 9 + 2);
    assert.deepEqual(server.of(8), [0, 1]);
  });

  test("keep their order each through loss and reordering", async (t) => {
    const lanes = [Lane.normal, Lane.high, Lane.bulk, Lane.control, Lane.firstUnordered, 255];
    const count = 150;
    const { client, server } = await openThroughRelay(t, { lossRate: 0.05, reorderRate: 0.2 });
    for (let number = 0; number < count; number++) {
      for (const lane of lanes) client.send(lane, number, (number * 37) % 900);
    }
    await until("all are heard", () => server.heard.length === lanes.length * count);
    for (const lane of lanes) assert.deepEqual(server.of(lane), upTo(count), `lane ${lane}`);
  });

  test("send by their priorities what waits: control, high, normal, bulk", async (t) => {
    // The relay is on this thread, so what is queued in one turn waits for the network but for the first packets.
    const { client, server } = await openThroughRelay(t);
    const last = 60;
    const lanes = [Lane.bulk, Lane.lastUnordered, Lane.high, Lane.control];
    for (const lane of lanes) for (let number = 0; number <= last; number++) client.send(lane, number, 1_000);
    await until("all are heard", () => server.heard.length === lanes.length * (last + 1));
    const ends = server.heard.filter(({ number }) => number === last).map(({ lane }) => lane);
    assert.deepEqual(ends, lanes.toReversed());
  });

  test("are 256, though the peer allows far fewer streams at once", async (t) => {
    const { client, server } = await open(t);
    for (let burst = 0; burst < 3; burst++) {
      for (let lane = 0; lane < MAX_LANES; lane++) client.send(lane, burst);
    }
    await until("all are heard", () => server.heard.length === 3 * MAX_LANES);
    for (let lane = 0; lane < MAX_LANES; lane++) assert.deepEqual(server.of(lane), upTo(3), `lane ${lane}`);
    assert.equal(client.connection.state, "open");
  });

  test("take turns where there are more than streams, though none of them ever rests", async (t) => {
    const { client, server } = await open(t);
    const lanes = 80;
    const echoed = new Array<number>(lanes).fill(0);
    server.onFrame = ({ lane, number }) => server.send(lane, number);
    client.onFrame = ({ lane, number }) => {
      assert.equal(number, echoed[lane]);
      echoed[lane]! += 1;
      client.send(lane, number + 1); // for ever: nobody's stream falls idle
    };
    for (let lane = 0; lane < lanes; lane++) client.send(lane, 0);
    await until("each has had several turns", () => echoed.every((count) => count >= 5));
  });

  test("may each have a large frame under way at once", async (t) => {
    const { client, server } = await open(t);
    const lanes = [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15];
    for (const number of [0, 1]) {
      for (const lane of lanes) assertAccepted(client, lane, number, 512 * 1024);
    }
    await until("all are heard", () => server.heard.length === 2 * lanes.length);
    for (const lane of lanes) assert.deepEqual(server.of(lane), [0, 1]);
  });

  test("end together, gently: what any of them has is delivered before the close", async (t) => {
    const { client, server } = await open(t);
    for (let lane = 0; lane < MAX_LANES; lane++) client.send(lane, 0, 3_000);
    client.connection.close({ code: 300 });
    assert.equal((await server.closed.promise).code, 300);
    assert.equal(server.heard.length, MAX_LANES);
  });

  for (const lane of [-1, 256, 1.5, Number.NaN, 2 ** 32, "1", null]) {
    test(`have no number ${String(lane)} (${typeof lane})`, async (t) => {
      const { client, server } = await open(t);
      assert.throws(() => client.send(lane as number, 0), InvalidArgumentError);
      client.send(255, 7);
      await until("the connection is as before", () => server.heard.length === 1);
      assert.deepEqual(server.heard, [{ lane: 255, number: 7 }]);
    });
  }
});

function assertAccepted(end: FramedEnd, lane: number, number: number, bytes: number): void {
  assert.notEqual(end.send(lane, number, bytes), "dropped");
}
