import { Builder, ByteBuffer } from "flatbuffers";
import { Bench } from "tinybench";
import {
  type FrameHeader,
  hotHeadBytes,
  hotPayloadBytes,
  readHotHead,
  writeHotHead,
} from "#internal/frame/codec.js";
import { Frame } from "#internal/frame/generated/millrace/wire/frame.js";
import { Header } from "#internal/frame/generated/millrace/wire/header.js";
import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn } from "./benchmark.js";
import { messageHeader } from "./frame_head.js";

const payload = new Uint8Array(256).map((_, index) => index);
/** One call is shorter than the clock's tick. */
const callsPerSample = 1_000;

/** One frame written and read: the hot path beside what flatc generates and JSON. */
export const codec: Benchmark = {
  name: "codec",
  title: `Codec: header and ${payload.length} bytes of payload`,
  async run(options) {
    return [
      ...(await compare(options, "write", { hot: writeHot, flatbuffers: writeGenerated, JSON: writeJson })),
      ...(await compare(options, "read", { hot: readHot(), flatbuffers: readGenerated(), JSON: readJson() })),
    ];
  },
};

async function compare(
  options: BenchmarkOptions,
  title: string,
  ways: Readonly<Record<"hot" | "flatbuffers" | "JSON", () => unknown>>,
): Promise<Comparison[]> {
  const results = await inTurn(options, title, {
    hot: () => nanoseconds(ways.hot, options),
    flatbuffers: () => nanoseconds(ways.flatbuffers, options),
    JSON: () => nanoseconds(ways.JSON, options),
  });
  const beside = (peer: "flatbuffers" | "JSON", name: string): Comparison => ({
    title,
    unit: "ns",
    ours: { name: "src/frame/codec.ts", values: results.hot },
    peer: { name, values: results[peer] },
  });
  return [beside("flatbuffers", "generated accessors"), beside("JSON", "JSON and base64")];
}

/** What one call takes. */
async function nanoseconds(call: () => unknown, options: BenchmarkOptions): Promise<number> {
  const bench = new Bench({ time: options.durationMs / 6, warmupTime: options.warmupMs / 6 });
  bench.add("call", () => {
    for (let i = 0; i < callsPerSample; i += 1) kept = call();
  });
  const [task] = await bench.run();
  if (task?.result.state !== "completed") throw new Error(`a codec failed: ${JSON.stringify(task?.result)}`);
  return (task.result.latency.mean * 1e6) / callsPerSample;
}

/** Keeps the results alive, so that the compiler cannot leave the work out. */
export let kept: unknown;

const outbound = new Uint8Array(hotHeadBytes + payload.length);
const outboundView = new DataView(outbound.buffer);

function writeHot(): Uint8Array {
  writeHotHead(outboundView, 0, messageHeader, payload.length);
  outbound.set(payload, hotHeadBytes);
  return outbound;
}

const builder = new Builder(1024);

function writeGenerated(): Uint8Array {
  builder.clear();
  const vector = builder.createByteVector(payload);
  Frame.startFrame(builder);
  const { kind, flags, channel, type, seq, ref } = messageHeader;
  Frame.addHeader(builder, Header.createHeader(builder, kind, flags, channel, type, seq, ref));
  Frame.addPayload(builder, vector);
  Frame.finishSizePrefixedFrameBuffer(builder, Frame.endFrame(builder));
  return builder.asUint8Array();
}

function writeJson(): Uint8Array {
  const text = JSON.stringify({ ...messageHeader, payload: Buffer.from(payload).toString("base64") });
  return Buffer.from(text);
}

function readHot(): () => Uint8Array {
  const frame = writeHot().slice();
  const header: FrameHeader = { ...messageHeader };
  return () => {
    if (!readHotHead(frame, header)) throw new Error("a hot frame was not recognised");
    return frame.subarray(hotHeadBytes, hotHeadBytes + hotPayloadBytes(frame));
  };
}

function readGenerated(): () => number {
  const bytes = new ByteBuffer(writeGenerated().slice());
  const frame = new Frame();
  const header = new Header();
  return () => {
    bytes.setPosition(0);
    Frame.getSizePrefixedRootAsFrame(bytes, frame).header(header);
    const fields =
      header.kind() + header.flags() + header.channel() + header.type() + header.seq() + header.ref();
    return fields + frame.payloadArray()!.length;
  };
}

function readJson(): () => Uint8Array {
  const bytes = writeJson();
  return () => Buffer.from(JSON.parse(Buffer.from(bytes).toString()).payload, "base64");
}
