import { Builder, ByteBuffer } from "flatbuffers";
import { Packr } from "msgpackr";
import protobuf from "protobufjs";
import { Bench } from "tinybench";
import { hotHeadBytes, writeHotHead } from "#internal/frame/codec.js";
import { decodeFrame, decodePlaced, encodeFrame, FrameView } from "#internal/frame/frame.js";
import { verifyFrame } from "#internal/frame/verifier.js";
import { Frame } from "../test/frame/generated/millrace/wire/frame.js";
import { Header } from "../test/frame/generated/millrace/wire/header.js";
import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn, type Target } from "./benchmark.js";

/** As a frame in the middle of a conversation has it. */
const messageHeader = { kind: 4, flags: 0, channel: 1, type: 1_001, seq: 1_234_567, ref: 0 };
const payload = new Uint8Array(256).map((_, index) => index);
/** One call is shorter than the clock's tick. */
const callsPerSample = 1_000;
/** Calls of the verifier at a megabyte take long enough by themselves. */
const MIB = 1024 * 1024;

/** The hot path's peers: what they are called, and what was promised beside them. */
const peers = {
  protobufjs: { name: "protobufjs", write: 4, read: 8, placed: 8, view: undefined },
  msgpackr: { name: "msgpackr", write: undefined, read: undefined, placed: undefined, view: undefined },
  flatbuffers: {
    name: "flatbuffers' generated code, which verifies nothing",
    write: undefined,
    read: undefined,
    placed: undefined,
    view: undefined,
  },
  JSON: {
    name: "JSON and base64",
    write: undefined,
    read: undefined,
    placed: undefined,
    view: undefined,
  },
} as const;
/** All of ours verify. A view is what costs most, and twice as much of an array whose buffer V8 has to look up. */
const titles = {
  write: "write",
  read: "read: verified, header read, payload found",
  placed: "read where it lies in a ring, with a Uint8Array made of the payload",
  view: "read from a Uint8Array of its own, with another made of the payload",
};
type Way = "hot" | keyof typeof peers;

/** One frame written and read, and what verifying costs at most. */
export const codec: Benchmark = {
  name: "codec",
  title: `Codec: header and ${payload.length} bytes of payload`,
  async run(options) {
    const write = {
      hot: writeHot,
      protobufjs: writeProtobuf,
      msgpackr: writeMessagePack,
      flatbuffers: writeGenerated,
      JSON: writeJson,
    };
    const read = {
      hot: readHot(),
      protobufjs: readProtobuf(),
      msgpackr: readMessagePack(),
      flatbuffers: readGenerated(),
      JSON: readJson(),
    };
    return [
      ...(await compare(options, "write", write)),
      ...(await compare(options, "read", read)),
      ...(await compare(options, "placed", { ...read, hot: readPlaced() })),
      ...(await compare(options, "view", { ...read, hot: readHotView() })),
      ...(await verifying(options)),
    ];
  },
};

async function compare(
  options: BenchmarkOptions,
  title: keyof typeof titles,
  ways: Readonly<Record<Way, () => unknown>>,
): Promise<Comparison[]> {
  const measure = (way: Way) => () => nanoseconds(ways[way], callsPerSample, options);
  const results = await inTurn(options, title, {
    hot: measure("hot"),
    protobufjs: measure("protobufjs"),
    msgpackr: measure("msgpackr"),
    flatbuffers: measure("flatbuffers"),
    JSON: measure("JSON"),
  });
  return (Object.keys(peers) as (keyof typeof peers)[]).map((peer) => {
    const { name, [title]: times } = peers[peer];
    const target: Target | undefined = times && { of: "ratio", atMost: 1 / times };
    return {
      title: titles[title],
      unit: "ns",
      ours: { name: "src/frame", values: results.hot },
      peer: { name, values: results[peer] },
      ...(target && { target }),
    };
  });
}

/** The dearest frame of a megabyte, beside a millisecond. */
async function verifying(options: BenchmarkOptions): Promise<Comparison[]> {
  const meta = Array.from({ length: 1024 }, () => ({ key: "é".repeat(16), value: new Uint8Array(976) }));
  const subject = "é".repeat(16 * 1024);
  const frame = encodeFrame(messageHeader, new Uint8Array(0), { subject, meta });
  if (verifyFrame(frame) !== "valid") throw new Error("the frame to verify is not valid");
  const milliseconds = async () => (await nanoseconds(() => verifyFrame(frame), 1, options)) / 1e6;
  const results = await inTurn(options, "verify", { ours: milliseconds });
  return [
    {
      title: `verify ${(frame.length / MIB).toFixed(2)} MiB: as many entries and as much text as there may be`,
      unit: "ms",
      ours: { name: "src/frame/verifier.ts", values: results.ours },
      peer: { name: "1 ms", values: results.ours.map(() => 1) },
      target: { of: "ratio", atMost: 1 },
    },
  ];
}

/** What one call takes. */
async function nanoseconds(
  call: () => unknown,
  callsPerSample: number,
  options: BenchmarkOptions,
): Promise<number> {
  const bench = new Bench({ time: options.durationMs / 6, warmupTime: options.warmupMs / 6 });
  const repeat = loopOf(call);
  bench.add("call", () => {
    kept = repeat(callsPerSample);
  });
  const [task] = await bench.run();
  if (task?.result.state !== "completed") throw new Error(`a codec failed: ${JSON.stringify(task?.result)}`);
  return (task.result.latency.mean * 1e6) / callsPerSample;
}

/**
 * A loop of its own, compiled for this call alone: one that all shared would call each through a pointer, as no program
 * that has one codec does, and that costs as much as half of the quickest.
 */
function loopOf(call: () => unknown): (times: number) => unknown {
  return new Function(
    "call",
    "return (times) => { let kept; for (let i = 0; i < times; i += 1) kept = call(); return kept; };",
  )(call) as (times: number) => unknown;
}

/** What the peers are given: none of them pays for making it. */
const message = { ...messageHeader, payload };

const fields = ["kind", "flags", "channel", "type", "seq", "ref"] as const;
const Message = protobuf.Type.fromJSON("Message", {
  fields: {
    ...Object.fromEntries(fields.map((name, index) => [name, { type: "uint32", id: index + 1 }])),
    payload: { type: "bytes", id: 7 },
  },
});

function writeProtobuf(): Uint8Array {
  return Message.encode(message).finish();
}

function readProtobuf(): () => unknown {
  const bytes = writeProtobuf();
  return () => Message.decode(bytes);
}

const packr = new Packr({ structures: [] }) /* its fastest way: both sides know the fields */;

function writeMessagePack(): Uint8Array {
  return packr.pack(message);
}

function readMessagePack(): () => unknown {
  const bytes = writeMessagePack().slice();
  return () => packr.unpack(bytes);
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

function readHot(): () => FrameView {
  const frame = writeHot().slice();
  const view = new FrameView();
  return () => decodeFrame(frame, false, view);
}

/** As a frame lies in the ring of a QUIC connection. */
function readPlaced(): () => Uint8Array {
  const frame = writeHot();
  const ring = new SharedArrayBuffer(64 * 1024);
  const placed = {
    ring,
    words: new Int32Array(ring),
    offset: 1024,
    length: frame.length,
    bytes: () => new Uint8Array(ring, 1024, frame.length),
  };
  placed.bytes().set(frame);
  const view = new FrameView();
  return () => decodePlaced(placed, false, view).payload;
}

function readHotView(): () => Uint8Array {
  const frame = writeHot().slice();
  const view = new FrameView();
  return () => decodeFrame(frame, false, view).payload;
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
