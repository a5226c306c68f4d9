import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  MemoryNetworkStore,
  NetworkMemory,
  type NetworkMemoryOptions,
  type NetworkStore,
} from "#internal/client/network_memory.js";
import type { RaceResult } from "#internal/client/race.js";
import { ConnectionRefusedError, HandshakeTimeoutError } from "#internal/errors.js";

const quic = "quic://a:1";
const wss = "wss://a:2/live";
const urls = [quic, wss];
const headStartMs = 250;

/** A race that WebSocket has won after so long. */
const lost = (endedAtMs: number, error?: unknown): RaceResult<undefined> => ({
  ...{ value: undefined, url: wss, endedAtMs },
  entrants: [
    { url: quic, startedAtMs: 0, error },
    { url: wss, startedAtMs: headStartMs, error: undefined },
  ],
});

const won: RaceResult<undefined> = {
  ...{ value: undefined, url: quic, endedAtMs: 40 },
  entrants: [
    { url: quic, startedAtMs: 0, error: undefined },
    { url: wss, startedAtMs: undefined, error: undefined },
  ],
};

function remembering(options: Partial<NetworkMemoryOptions> = {}) {
  const clock = { nowMs: 1_700_000_000_000 };
  const reported: unknown[] = [];
  const memory = new NetworkMemory({
    store: new MemoryNetworkStore(),
    network: () => "home",
    expiryMs: 600_000,
    report: (cause) => reported.push(cause),
    wallClock: () => clock.nowMs,
    ...options,
  });
  return { memory, clock, reported };
}

describe("the memory of networks", () => {
  it("knows where QUIC was waited for in vain, until that expires", async () => {
    const { memory, clock } = remembering();
    assert.equal(await memory.blocksUdp(urls), false);
    await memory.learn(lost(300), headStartMs);
    assert.equal(await memory.blocksUdp(urls), true);
    clock.nowMs += 599_999;
    assert.equal(await memory.blocksUdp(urls), true);
    clock.nowMs += 1;
    assert.equal(await memory.blocksUdp(urls), false);
  });

  it("takes a handshake that timed out for silence, but no answer of any kind, and no narrow loss", async () => {
    const { memory } = remembering();
    await memory.learn(lost(300, new ConnectionRefusedError("nobody")), headStartMs);
    await memory.learn(lost(200), headStartMs);
    assert.equal(await memory.blocksUdp(urls), false);
    await memory.learn(lost(300, new HandshakeTimeoutError("silence")), headStartMs);
    assert.equal(await memory.blocksUdp(urls), true);
  });

  it("forgets as soon as QUIC wins", async () => {
    const { memory } = remembering();
    await memory.learn(lost(300), headStartMs);
    await memory.learn(won, headStartMs);
    assert.equal(await memory.blocksUdp(urls), false);
  });

  it("holds for the network and the server where it was learned", async () => {
    let network = "train";
    const { memory } = remembering({ network: () => network });
    await memory.learn(lost(300), headStartMs);
    assert.equal(await memory.blocksUdp(["quic://b:1", wss]), false);
    assert.equal(await memory.blocksUdp([wss, quic]), false, "QUIC has no head start to lose");
    network = "home";
    assert.equal(await memory.blocksUdp(urls), false);
    network = "train";
    assert.equal(await memory.blocksUdp(urls), true);
  });

  it("is kept in a store of the application's, which may be slow, and survives the process", async () => {
    const notes = new Map<string, string>();
    const store: NetworkStore = {
      get: async (key) => JSON.parse(notes.get(key) ?? "null") ?? undefined,
      set: async (key, note) => notes.set(key, JSON.stringify(note)),
    };
    await remembering({ store }).memory.learn(lost(300), headStartMs);
    assert.equal(await remembering({ store }).memory.blocksUdp(urls), true);
  });

  it("does without a store that fails, and takes nothing for a note that is none", async () => {
    const failure = new Error("disk full");
    const fail = () => {
      throw failure;
    };
    const { memory, reported } = remembering({ store: { get: fail, set: fail } });
    assert.equal(await memory.blocksUdp(urls), false);
    await memory.learn(lost(300), headStartMs);
    await memory.learn(won, headStartMs);
    assert.deepEqual(reported, [failure, failure, failure]);
    for (const note of ["soon", null, [], { udpBlockedUntilMs: "1" }, { udpBlockedUntilMs: 9e15 }]) {
      const { memory: other } = remembering({ store: { get: () => note as never, set: () => {} } });
      assert.equal(await other.blocksUdp(urls), false);
    }
  });

  it("takes no more than so much of this process", () => {
    const store = new MemoryNetworkStore();
    for (let i = 0; i < 2_000; i += 1) store.set(`${i}`, { udpBlockedUntilMs: i });
    assert.equal(store.get("0"), undefined);
    assert.deepEqual(store.get("1999"), { udpBlockedUntilMs: 1_999 });
    assert.equal([...Array(2_000).keys()].filter((i) => store.get(`${i}`) !== undefined).length, 1_024);
  });
});
