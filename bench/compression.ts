import { brotli, type Compression, deflate, zstd } from "millrace/compression";
import { Bench } from "tinybench";
import { deflate as pageDeflate } from "#internal/compression/browser.js";
import type { SessionCompression } from "#internal/delivery/compression.js";
import { CompressionCode } from "#internal/frame/compressed_payload.js";
import { compressions } from "#internal/frame/compression.js";
import { type FrameContents, Kind } from "#internal/frame/frame.js";
import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn } from "./benchmark.js";

const sizes = [2, 16] as const;
const words =
  "the train is late again and nobody says why so we wait here for an hour or take the bus home".split(" ");
const MIB = 1024 * 1024;

/** One of a chat's messages; no two say the same. */
function chatMessage(id: number): object {
  const text = Array.from({ length: 14 }, (_, at) => words[(id * 31 + at * at * 7 + at) % words.length]).join(
    " ",
  );
  const author = (id * 7) % 23;
  return {
    id: (0x5eed_0000 + id * 2_654_435).toString(16),
    room: "general",
    author: {
      id: `user-${author}`,
      name: `Ada ${author}`,
      avatar: `https://example.com/avatars/${author}.png`,
    },
    createdAt: new Date(1_700_000_000_000 + id * 97_731).toISOString(),
    text,
    reactions: id % 3 === 0 ? [{ emoji: "thumbsup", count: id % 5 }] : [],
  };
}

/** The newest messages of a room, as much as fits. */
function payloadOf(kilobytes: number, from: number): Uint8Array {
  const messages: object[] = [];
  let text = "";
  for (let id = from; text.length < kilobytes * 1_000; id += 1) {
    messages.push(chatMessage(id));
    text = JSON.stringify({ type: "messages", room: "general", messages });
  }
  return Buffer.from(text);
}

/** Other messages than are compressed. */
const dictionary = payloadOf(2, 5_000);

const ways: Readonly<Record<string, Compression>> = {
  deflate: deflate(),
  "deflate, with a dictionary of 2 KB": deflate({ dictionary }),
  brotli: brotli(),
  ...zstdWays(),
  "deflate of a page": pageDeflate(),
  "deflate of a page, with a dictionary of 2 KB": pageDeflate({ dictionary }),
};

function zstdWays(): Readonly<Record<string, Compression>> {
  if (!compressions.includes(CompressionCode.zstd)) return {};
  return { zstd: zstd(), "zstd, with a dictionary of 2 KB": zstd({ dictionary }) };
}

/** What compressing messages saves, and what it costs both sides. */
export const compression: Benchmark = {
  name: "compression",
  title: "Compression: a room's newest messages as JSON",
  async run(options) {
    const comparisons: Comparison[] = [];
    for (const kilobytes of sizes) {
      for (const way of Object.keys(ways)) comparisons.push(...(await measure(kilobytes, way, options)));
    }
    return comparisons;
  },
};

async function measure(kilobytes: number, way: string, options: BenchmarkOptions): Promise<Comparison[]> {
  const payload = payloadOf(kilobytes, 1);
  const one = ways[way] as SessionCompression;
  const frame: FrameContents = { kind: Kind.Message, flags: 0, channel: 0, type: 0, seq: 1, ref: 0, payload };
  const compressed = one.compress(frame);
  const other = one.carry({ send: () => "sent", bytesQueued: 0 }, undefined).compressing!;
  const text = Buffer.from(payload).toString();
  const times = await inTurn(options, `${kilobytes} KB, ${way}`, {
    compress: () => microseconds(() => one.compress(frame), options),
    open: () => microseconds(() => other.open(compressed, MIB), options),
    stringify: () => microseconds(() => JSON.stringify(JSON.parse(text)), options),
  });
  const bytes = (payload: Uint8Array) => times.open.map(() => payload.length);
  const title = `${kilobytes} KB, ${way}`;
  const json = { name: "JSON.parse and JSON.stringify", values: times.stringify };
  return [
    {
      title: `${title}: payload`,
      unit: "bytes",
      ours: { name: way, values: bytes(compressed.payload) },
      peer: { name: "plain", values: bytes(payload) },
    },
    {
      title: `${title}: to compress it`,
      unit: "µs",
      ours: { name: way, values: times.compress },
      peer: json,
    },
    { title: `${title}: to open it`, unit: "µs", ours: { name: way, values: times.open }, peer: json },
  ];
}

async function microseconds(call: () => unknown, options: BenchmarkOptions): Promise<number> {
  const bench = new Bench({ time: options.durationMs / 12, warmupTime: options.warmupMs / 12 });
  bench.add("call", () => void call());
  const [task] = await bench.run();
  if (task?.result.state !== "completed") throw new Error(`a call failed: ${JSON.stringify(task?.result)}`);
  return task.result.latency.mean * 1_000;
}
