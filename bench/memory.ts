import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn } from "./benchmark.js";
import { type Footprint, footprint, type Held } from "./footprint.js";
import { frameHead, lanePrefix } from "./frame_head.js";
import { nativeProgram } from "./root.js";
import { type Identity, makeIdentity, startNode, startRawQuic } from "./servers.js";

const burstMessages = 16;
const sizeBytes = 64;
export const memory: Benchmark = {
  name: "memory",
  title: "Memory: resident bytes of the server for each idle connection",
  async run(options) {
    const identity = await makeIdentity();
    try {
      return [...(await compareQuic(options, identity)), ...(await compareWebSocket(options))];
    } finally {
      await identity.remove();
    }
  },
};

const burst = ["--burst", String(burstMessages), "--size", String(sizeBytes)];
const framed = ["--head", frameHead(sizeBytes), ...burst];

async function compareQuic(options: BenchmarkOptions, identity: Identity): Promise<Comparison[]> {
  const files = [identity.certificatePath, identity.privateKeyPath];
  const mine: Held = {
    start: () => startNode("millrace", "quic://127.0.0.1:0", ...files),
    node: true,
    client: [nativeProgram("quic_idle_client"), "--alpn", "millrace/1", "--prefix", lanePrefix(), ...framed],
  };
  const raw: Held = {
    start: () => startRawQuic(identity),
    node: false,
    client: [nativeProgram("quic_idle_client")],
  };
  const bare: Held = { ...raw, start: () => startNode("quic_echo", ...files), node: true };
  const title = `QUIC, ${options.idleConnections} connections`;
  const results = await inTurn(options, title, {
    burst: () => footprint(mine, options.idleConnections),
    bare: () => footprint(bare, options.idleConnections),
    raw: () => footprint(raw, options.idleConnections),
  });
  const names = { burst: "millrace, after a burst", bare: "millrace/quic, bare" };
  const pair = (subject: keyof typeof names, field: keyof Footprint) => ({
    ours: { name: names[subject], values: results[subject].map((each) => each[field]) },
    peer: { name: "raw msquic, bare", values: results.raw.map((each) => each[field]) },
  });
  return [
    { title, unit: "bytes", ...pair("bare", "average"), target: { of: "ratio", atMost: 1.1 } },
    { title: `${title}, after the first tenth`, unit: "bytes", ...pair("bare", "further") },
    { title, unit: "bytes", ...pair("burst", "average"), target: { of: "ratio", atMost: 1.15 } },
    { title: `${title}, after the first tenth`, unit: "bytes", ...pair("burst", "further") },
  ];
}

async function compareWebSocket(options: BenchmarkOptions): Promise<Comparison[]> {
  const mine: Held = {
    start: () => startNode("millrace", "ws://127.0.0.1:0"),
    node: true,
    client: [nativeProgram("message_idle_client"), "--subprotocol", "millrace.v1", ...framed],
  };
  const bare: Held = {
    start: () => startNode("uws_bare"),
    node: true,
    client: [nativeProgram("message_idle_client"), ...burst],
  };
  const title = `WebSocket, ${options.idleConnections} connections`;
  const results = await inTurn(options, title, {
    millrace: () => footprint(mine, options.idleConnections),
    "uWebSockets.js": () => footprint(bare, options.idleConnections),
  });
  const pair = (field: keyof Footprint) => ({
    ours: { name: "millrace", values: results.millrace.map((each) => each[field]) },
    peer: { name: "uWebSockets.js", values: results["uWebSockets.js"].map((each) => each[field]) },
  });
  return [
    { title, unit: "bytes", ...pair("average"), target: { of: "difference", atMost: 1536 } },
    { title: `${title}, after the first tenth`, unit: "bytes", ...pair("further") },
  ];
}
