import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { connect } from "millrace";
import { loadAddon } from "#internal/native/addon.js";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";
import { type Credentials, listenForTraffic, makeTraffic, type TrafficListeners } from "./traffic.js";
import type { TrafficWorkerData, TrafficWorkerMessage } from "./traffic_worker.js";

const cycles = Number(process.env.MILLRACE_CYCLES ?? 300);
const alive = 4;

/** Starts a worker, waits until bytes flow in every direction, and terminates it in the middle. */
async function cycle(credentials: Credentials, main: TrafficListeners): Promise<void> {
  const workerData: TrafficWorkerData = { credentials, main: { url: main.url, rawPort: main.rawPort } };
  const worker = new Worker(new URL("./traffic_worker.js", import.meta.url), { workerData });
  const within = deferred();
  const towards = deferred();
  const exited = new Promise((resolve) => worker.once("exit", resolve));
  let ended: Promise<unknown> = Promise.resolve();
  worker.once("error", (error) => {
    within.reject(error);
    towards.reject(error);
  });
  worker.on("message", (message: TrafficWorkerMessage) => {
    if (message === "flowing") within.resolve();
    else {
      makeTraffic(message.listening, credentials.ca, towards.resolve).then((traffic) => {
        ended = traffic.ended;
      }, towards.reject);
    }
  });
  try {
    await Promise.all([within.promise, towards.promise]);
  } finally {
    await worker.terminate();
    await exited;
  }
  await ended;
}

function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}

function threads(): number {
  return readdirSync("/proc/self/task").length;
}

test(`${cycles} workers are terminated under QUIC traffic, and the main thread's own goes on`, async (t) => {
  const { identity, ca } = await Loopback.make();
  const credentials: Credentials = { ...identity, ca };
  const main = await listenForTraffic(credentials);
  t.after(() => main.close());
  const bystander = await connect(main.url, {}, { tls: { ca } });
  const answers = bystander[Symbol.asyncIterator]();
  const { processCounters } = loadAddon();

  let begun = 0;
  const run = async (until: number) => {
    while (begun < until) {
      begun += 1;
      await cycle(credentials, main);
    }
  };
  const runTo = (count: number) => Promise.all(Array.from({ length: alive }, () => run(count)));
  const settled = () =>
    until("all connections but the bystander's are gone", () => {
      return main.connectionCount() === 1 && processCounters().connections === 2;
    });

  // The first few make what stays: msquic's and libuv's threads, sockets of the process.
  await runTo(Math.min(cycles, 3 * alive));
  await settled();
  const before = { files: openFiles(), threads: threads() };
  await runTo(cycles);
  await settled();

  bystander.send(Buffer.from("still here"));
  assert.equal(Buffer.from((await answers.next()).value!).toString(), "still here");
  assert.equal(processCounters().streams, 0);
  // msquic closes the sockets of what has ended on threads of its own.
  await until("no more files are open than before", () => openFiles() <= before.files);
  await until("no more threads run than before", () => threads() <= before.threads);
  await bystander.close();
});
