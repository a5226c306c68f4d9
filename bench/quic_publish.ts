import { type Benchmark, type BenchmarkOptions, inTurn } from "./benchmark.js";
import { clientCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import { nativeProgram } from "./root.js";
import { type BenchServer, makeIdentity, startNode, startRawQuic } from "./servers.js";

const deadlineMs = 300_000;

interface Publications {
  /** Deliveries a second. */
  readonly perSecond: number;
  /** The server's CPU time for each delivery. */
  readonly serverCpuUs: number;
}

/** 1 KiB to a stream of each of many connections, again and again. */
export const quicPublish: Benchmark = {
  name: "quic-publish",
  title: "QUIC publish: 1 KiB to a stream of every connection, the next when everyone has the last",
  async run(options) {
    const identity = await makeIdentity();
    const files = [identity.certificatePath, identity.privateKeyPath];
    const title = `${options.idleConnections} connections`;
    try {
      const results = await inTurn(options, title, {
        publish: () => measure(options, () => startNode("quic_publish", ...files, "publish")),
        loop: () => measure(options, () => startNode("quic_publish", ...files, "loop")),
        changed: () => measure(options, () => startRawQuic(identity, "quic_publish_server_changed")),
        raw: () => measure(options, () => startRawQuic(identity, "quic_publish_server")),
      });
      const beside = (peer: keyof typeof names, field: keyof Publications) => ({
        ours: { name: "millrace, publish()", values: results.publish.map((result) => result[field]) },
        peer: { name: names[peer], values: results[peer].map((result) => result[field]) },
      });
      const cpu = { title: `${title}: server's CPU time`, unit: "µs/delivery" };
      return [
        {
          title,
          unit: "deliveries/s",
          ...beside("changed", "perSecond"),
          target: { of: "ratio", atLeast: 0.9 },
        },
        { ...cpu, ...beside("changed", "serverCpuUs") },
        { title, unit: "deliveries/s", ...beside("raw", "perSecond") },
        { ...cpu, ...beside("raw", "serverCpuUs") },
        { title, unit: "deliveries/s", ...beside("loop", "perSecond") },
        { ...cpu, ...beside("loop", "serverCpuUs") },
      ];
    } finally {
      await identity.remove();
    }
  },
};

const names = {
  changed: "raw msquic with our changes, a loop over StreamSend",
  raw: "raw msquic, a loop over StreamSend",
  loop: "millrace, a loop over write()",
};

/** A server of its own for each: one that has published before holds what that left behind. */
async function measure(options: BenchmarkOptions, start: () => Promise<BenchServer>): Promise<Publications> {
  const server = await start();
  let client: BenchProcess | undefined;
  try {
    const command = [nativeProgram("quic_publish_client"), "--port", String(server.port)];
    command.push("--connections", String(options.idleConnections));
    command.push("--warmup-ms", String(options.warmupMs), "--duration-ms", String(options.durationMs));
    client = (await BenchProcess.start(command, { core: clientCore, deadlineMs })).process;
    const usedBefore = await server.process.cpuSeconds();
    const result = await client.ask<{ perSecond: number; operations: number }>("measure", deadlineMs);
    const used = (await server.process.cpuSeconds()) - usedBefore;
    return { perSecond: result.perSecond, serverCpuUs: (used * 1e6) / result.operations };
  } finally {
    await client?.stop();
    await server.process.stop();
  }
}
