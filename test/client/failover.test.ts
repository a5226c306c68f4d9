import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { type ClientOptions, type ClientSession, connect } from "millrace/client";
import { createServer } from "millrace/server";
import { createStreamRelay, type FakeClock, installFakeClock } from "millrace/testing";
import { until } from "../kit/until.js";

const roundTripMs = 150;
/** As it is where nobody says otherwise. */
const heartbeatTimeoutMs = 30_000;

/** Lets time pass, so much in each turn, until something holds. @returns how much has passed. */
async function passUntil(
  clock: FakeClock,
  stepMs: number,
  what: string,
  met: () => boolean,
): Promise<number> {
  const begunAtMs = clock.nowMs;
  const step = async () => {
    await clock.advance(stepMs);
    return met();
  };
  await until(what, step, 10 * heartbeatTimeoutMs);
  return clock.nowMs - begunAtMs;
}

/** A session over WebSocket, with a server that it can reach over TCP, too, on a network of a long round trip. */
async function roam(t: TestContext, clock: FakeClock, options: ClientOptions) {
  const server = await createServer(
    { listen: ["ws://127.0.0.1:0", "tcp://127.0.0.1:0"] },
    { request: (_session, request) => request.payload },
  );
  t.after(() => server.close({ graceful: false }));
  const relays = await Promise.all(
    server.urls.map((url) =>
      createStreamRelay({
        target: { address: "127.0.0.1", port: Number(new URL(url).port) },
        delayMs: roundTripMs / 2,
      }),
    ),
  );
  t.after(() => Promise.all(relays.map((relay) => relay.close())));
  const [ws, tcp] = relays.map(({ address }) => address.port);
  let session: ClientSession | undefined;
  const connected = connect([`ws://127.0.0.1:${ws}`, `tcp://127.0.0.1:${tcp}`], {
    preferredTransport: "websocket",
    headStartMs: 1_000,
    ...options,
  }).then((made) => {
    session = made;
  });
  await passUntil(clock, 10, "it is connected", () => session !== undefined);
  await connected;
  t.after(() => session!.close({ graceful: false }));
  return { session: session!, blackHole: () => relays[0]!.block() };
}

describe("a session whose connection ends in a black hole", () => {
  test("goes on over another transport within two timeouts of the heartbeat, which alone tells it", async (t) => {
    const clock = installFakeClock();
    t.after(() => clock.uninstall());
    const { session, blackHole } = await roam(t, clock, { autoSwitch: false, headStartMs: 250 });
    assert.equal(session.transport, "websocket");
    blackHole();
    const isThere = () => session.transport === "tcp" && session.state === "connected";
    const passedMs = await passUntil(clock, 50, "it is on TCP", isThere);
    assert.ok(passedMs / heartbeatTimeoutMs <= 2, `${passedMs} ms`);
  });

  test("does so within a second of a busy session's time, where it may take silence for a stall", async (t) => {
    const clock = installFakeClock();
    t.after(() => clock.uninstall());
    const stallMs = 200;
    const { session, blackHole } = await roam(t, clock, { autoSwitch: { stallMs } });
    assert.equal(session.transport, "websocket");
    let answered = 0;
    session.request("ask").then(() => {
      answered += 1;
    });
    await passUntil(clock, 10, "it is answered", () => answered === 1);
    blackHole();
    session.request("ask").then(() => {
      answered += 1;
    });
    const passedMs = await passUntil(clock, 5, "it is on TCP", () => session.transport === "tcp");
    assert.ok(passedMs <= 1_000, `${passedMs} ms`);
    await passUntil(clock, 5, "what was asked is answered", () => answered === 2);
  });
});
