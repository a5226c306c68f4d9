// 10,000 devices in one process, a session each, over QUIC, WebSocket, TCP and memory; a dashboard that wants to know how
// each of them is now, hears of alarms first, and fetches an archive meanwhile.
//
//   node examples/telemetry/telemetry.js [--devices 10000] [--readings 5] [--json]
import { setImmediate as nextTurn } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect } from "millrace/client";
import { createServer } from "millrace/server";
import { Authority } from "millrace/testing";
import { MemoryTransport } from "../transport/memory.js";
import { progressBar } from "./progress_bar.js";

const { values } = parseArgs({
  options: {
    devices: { type: "string", default: "10000" },
    readings: { type: "string", default: "5" },
    json: { type: "boolean", default: false },
  },
});
const [devices, readings] = [Number(values.devices), Number(values.readings)];
const archiveChunks = 512;
const chunk = new Uint8Array(16 * 1024);
/** A device is too hot in one of so many of its readings. */
const alarmEvery = 1_000;
/** So many connect at a time. */
const atOnce = 64;

const Type = { reading: 1, alarm: 2, archive: 3 };
const authority = await Authority.make();
const transports = [new MemoryTransport()];
const dashboardId = "dashboard";
let received = 0;

const server = await createServer(
  {
    listen: ["quic://127.0.0.1:0", "ws://127.0.0.1:0", "tcp://127.0.0.1:0", "memory://telemetry:1"],
    transports,
    tls: await authority.issue(),
    queueBytes: 16 * 1024 * 1024, // the newest reading of each device may wait for the dashboard
  },
  {
    authenticate: ({ clientId }) => ({ clientId, chunksLeft: 0 }),
    message(session, message) {
      received += 1;
      // Of readings that wait only the newest of each device goes on: who is slow sees less, and nothing old.
      const reading = message.payload;
      server.sendTo({ clientId: dashboardId }, reading, {
        type: Type.reading,
        delivery: "latest",
        key: session.clientId,
      });
      if (received % alarmEvery !== 0) return;
      const alarm = JSON.stringify({ device: session.clientId, at: performance.now() });
      server.sendTo({ clientId: dashboardId }, alarm, { type: Type.alarm, priority: "high" });
    },
    requests: {
      archive(session) {
        session.data.chunksLeft = archiveChunks;
        sendArchive(session);
        return String(archiveChunks);
      },
    },
    drain: sendArchive,
  },
);

/** As much as the session takes; `drain` goes on. All else overtakes it. */
function sendArchive(session) {
  while (session.data.chunksLeft > 0) {
    const result = session.send(chunk, { type: Type.archive, priority: "bulk" });
    if (result !== "dropped") session.data.chunksLeft -= 1;
    if (result !== "sent") return;
  }
}

const shown = new Map(); // the newest that the dashboard knows of each device
const delaysMs = [];
let [updates, chunks] = [0, 0];
const dashboard = await connect(
  server.urls[1],
  { clientId: dashboardId },
  {
    message(_session, message) {
      if (message.type === Type.reading) {
        const { device, n } = message.json();
        updates += 1;
        shown.set(device, n);
      } else if (message.type === Type.alarm) delaysMs.push(performance.now() - message.json().at);
      else chunks += 1;
    },
  },
);

const progress = progressBar(process.stderr);
const connectedAt = performance.now();
const sessions = [];
for (let first = 0; first < devices; first += atOnce) {
  const batch = Array.from({ length: Math.min(atOnce, devices - first) }, (_, n) => connectDevice(first + n));
  sessions.push(...(await Promise.all(batch)));
  progress.show("connected", sessions.length, devices);
}
const connectMs = performance.now() - connectedAt;

/** Each end of a connection is an open file, and a process may have 20,000 here; so the devices are spread. */
function connectDevice(n) {
  const tls = { ca: authority.certificate };
  const url = server.urls[n % 10 === 0 ? 0 : 1 + (n % 3)];
  return connect(url, { clientId: `device-${n}`, tls, transports, heartbeatMs: 60_000 });
}

const sentAt = performance.now();
const archive = dashboard.request("archive");
for (let n = 1; n <= readings; n += 1) {
  for (const device of sessions) {
    device.send(JSON.stringify({ device: device.clientId, n, celsius: 20 + 5 * Math.random() }));
  }
  progress.show("readings", n * devices, readings * devices);
  await nextTurn();
}
const isDone = () =>
  received === devices * readings &&
  chunks === archiveChunks &&
  shown.size === devices &&
  [...shown.values()].every((n) => n === readings);
while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 20));
const readMs = performance.now() - sentAt;
progress.end();

const sessionsBy = { quic: 0, websocket: 0, tcp: 0, memory: 0 };
for (const { transport } of server) sessionsBy[transport] += 1;
delaysMs.sort((a, b) => a - b);
const summary = {
  devices,
  sessions: sessionsBy, // the dashboard's among them
  connectMs: Math.round(connectMs),
  readings: received,
  readingsPerSecond: Math.round((received / readMs) * 1_000),
  updatesShown: updates,
  devicesUpToDate: shown.size,
  archiveBytes: chunks * chunk.length,
  archiveAnswered: (await archive).status,
  alarms: delaysMs.length,
  alarmP50Ms: Math.round((delaysMs[delaysMs.length >> 1] ?? 0) * 10) / 10,
};
if (values.json) console.log(JSON.stringify(summary));
else for (const [name, value] of Object.entries(summary)) console.log(name.padEnd(18), value);
await Promise.all([dashboard, ...sessions].map((session) => session.close({ graceful: false })));
await server.close({ graceful: false });
