import { setTimeout as delay } from "node:timers/promises";
import { type Benchmark, type BenchmarkOptions, inTurn } from "./benchmark.js";
import { clientCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import { nativeProgram } from "./root.js";
import { type BenchServer, makeIdentity, startNode, startRawQuic } from "./servers.js";

/** Far more often than anybody wants it, so that there is something to measure in seconds. */
const keepAliveMs = 1_000;
/** The last handshakes are to be confirmed, and what they left behind freed. */
const settleMs = 3_000;
const connectDeadlineMs = 180_000;

/** What connections cost that do nothing but stay alive: their clients' PINGs and the server's answers. */
export const quicKeepAlive: Benchmark = {
  name: "quic-keepalive",
  title: "QUIC keep-alive: idle connections that send a PING every second",
  async run(options) {
    const identity = await makeIdentity();
    const files = [identity.certificatePath, identity.privateKeyPath];
    const title = `${options.idleConnections} connections, server's CPU time`;
    try {
      const results = await inTurn(options, title, {
        mine: () => measure(options, () => startNode("quic_echo", ...files)),
        raw: () => measure(options, () => startRawQuic(identity)),
      });
      return [
        {
          title,
          unit: "ms for 1 000 keep-alives",
          ours: { name: "millrace", values: results.mine },
          peer: { name: "raw msquic", values: results.raw },
          target: { of: "ratio", atMost: 1.05 },
        },
      ];
    } finally {
      await identity.remove();
    }
  },
};

async function measure(options: BenchmarkOptions, start: () => Promise<BenchServer>): Promise<number> {
  const server = await start();
  let client: BenchProcess | undefined;
  try {
    const command = [nativeProgram("quic_idle_client"), "--port", String(server.port)];
    command.push("--connections", String(options.idleConnections), "--keep-alive-ms", String(keepAliveMs));
    client = (await BenchProcess.start(command, { core: clientCore, deadlineMs: connectDeadlineMs })).process;
    await delay(settleMs);
    const usedBefore = await server.process.cpuSeconds();
    const begun = performance.now();
    await delay(options.warmupMs + options.durationMs);
    const used = (await server.process.cpuSeconds()) - usedBefore;
    const keepAlives = (options.idleConnections * (performance.now() - begun)) / keepAliveMs;
    return (used * 1e6) / keepAlives;
  } finally {
    await server.process.stop();
    await client?.stop();
  }
}
