import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import type { QuicConnection } from "millrace/quic";
import { Bystander } from "../kit/bystander.js";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { residentBytes } from "../kit/memory.js";
import { until } from "../kit/until.js";
import type { ControlFlood, ControlFloodEnd } from "./control_flood.js";

const MiB = 1024 * 1024;
const FLOODS = 2;
/** How long it goes on: until so many packets were sent, and the bystander made so many round trips. */
const PACKETS = 10_000;
const TRIPS = 200;
/** What msquic reads of a connection at once. */
const TURN_PACKETS = 100;

const loopback = await Loopback.make();

function flood(
  t: TestContext,
  port: number,
  counts: SharedArrayBuffer,
  word: number,
): Promise<ControlFloodEnd> {
  const workerData: ControlFlood = { port, alpn: rawAlpn, counts, word };
  const worker = new Worker(new URL("./control_flood.js", import.meta.url), { workerData });
  t.after(() => worker.terminate());
  return once(worker, "message").then(([end]) => end as ControlFloodEnd);
}

/** What tells a peer that only makes work: its packets are many, and carry next to nothing. */
async function isIdle(connection: QuicConnection): Promise<boolean> {
  const { packetsReceived, streamBytesReceived } = await connection.statistics();
  return packetsReceived > 1_000 && streamBytesReceived < packetsReceived;
}

test("peers that send nothing but control frames, as fast as they can, take turns with who is innocent", async (t) => {
  const connections = new Set<QuicConnection>();
  const events: string[] = [];
  const listener = await loopback.listenRaw(t, {
    open: (connection) => void connections.add(connection),
    stream: () => void events.push("stream"),
    data: (stream, chunk) => {
      if (stream.writable) stream.write(chunk);
    },
  });
  const { port } = listener.address;
  const bystander = await Bystander.open(t, loopback, port);
  const rss = residentBytes();
  const counts = new SharedArrayBuffer(4 * FLOODS);
  const ends = Array.from({ length: FLOODS }, (_, word) => flood(t, port, counts, word));
  await until("all of them flood", () => listener.connectionCount === 1 + FLOODS);
  const told = events.length;
  const packets = () => new Int32Array(counts).reduce((sum, sent) => sum + sent, 0);
  const [firstPacket, firstTrip] = [packets(), bystander.roundTrips];
  await until(
    "all was sent, and the bystander served",
    () => packets() >= firstPacket + PACKETS && bystander.roundTrips >= firstTrip + TRIPS,
    60_000,
  );
  const flooded = packets() - firstPacket;
  const trips = bystander.roundTrips - firstTrip;
  const held = residentBytes() - rss;
  t.diagnostic(
    `${flooded} packets were sent during ${trips} round trips; ${Math.round(held / MiB)} MiB were held`,
  );
  assert.ok(
    flooded / trips < TURN_PACKETS,
    `a round trip waited for ${flooded / trips} packets of the flood`,
  );
  assert.ok(held < 256 * FLOODS * MiB);
  assert.ok(events.length - told <= FLOODS, "JavaScript hears of their one stream, and of nothing else");

  // They are served for as long as the application lets them; statistics say who they are.
  for (const connection of connections) if (await isIdle(connection)) void connection.close({ code: 5 });
  for (const { sent, answered, closed } of await Promise.all(ends)) {
    t.diagnostic(`${sent} packets sent, ${answered} answered`);
    assert.ok(answered <= sent + 100, `${answered} answers to ${sent} packets`);
    assert.equal(closed, true);
  }
  await until("nothing is left of them", () => listener.connectionCount === 1);
  await bystander.assertUnharmed();
});
