import { join } from "node:path";
import type { Benchmark, BenchmarkOptions, Target } from "./benchmark.js";
import { clientCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import { nativeProgram, root } from "./root.js";
import { type BenchServer, startNode, startServer } from "./servers.js";
import { beside, type Row } from "./session_comparison.js";
import { ours, type Subject } from "./session_subjects.js";
import { publicationBytes, publicationFlags, token } from "./session_wire.js";

const deadlineMs = 300_000;

interface Publications {
  /** Deliveries a second. */
  readonly perSecond: number;
  /** The server's CPU time for each. */
  readonly serverCpuUs: number;
}

/** One message to all who subscribe, two of them on their way at a time. */
export const sessionPublish: Benchmark = {
  name: "session-publish",
  title: "Sessions, publishing: 1 KiB to every subscriber, over WebSocket",
  run: (options) =>
    beside(
      options,
      `${options.idleConnections} subscribers`,
      [
        subject(ours, () => startNode("session_publish"), publicationFlags()),
        subject("uWebSockets.js, publish", () => startNode("uws_publish"), []),
        subject("ws, a loop", () => startNode("ws_publish"), []),
        socketIo,
      ],
      (each) => measure(each, options),
      rows,
    ),
};

function subject(name: string, start: () => Promise<BenchServer>, flags: readonly string[]): Subject {
  const client = [nativeProgram("message_publish_client"), ...flags];
  return {
    name,
    node: true,
    start: async () => ({ server: await start(), echo: client, idle: () => client }),
  };
}

const hex = (text: string) => Buffer.from(text).toString("hex");
const peers = join(root, "bench", "peers");
const socketIo: Subject = {
  ...subject("Socket.IO, a room", () => startServer([process.execPath, join(peers, "socket_io.js")]), [
    ...["--path", "/socket.io/?EIO=4&transport=websocket", "--text", "1"],
    ...["--opening", `-,${hex(`40${JSON.stringify({ token })}`)},-,${hex(`420["join"]`)},-`],
    ...["--head", hex('42["say","'), "--tail", hex('"]'), "--answer-around", "64"],
  ]),
  needs: join(peers, "node_modules", "socket.io", "package.json"),
};

async function measure(each: Subject, options: BenchmarkOptions): Promise<Publications> {
  const { server, echo } = await each.start(publicationBytes);
  let client: BenchProcess | undefined;
  try {
    const command = [
      ...echo,
      "--port",
      String(server.port),
      "--connections",
      String(options.idleConnections),
    ];
    command.push("--size", String(publicationBytes), "--depth", "2");
    command.push("--warmup-ms", String(options.warmupMs), "--duration-ms", String(options.durationMs));
    client = (await BenchProcess.start(command, { core: clientCore, deadlineMs })).process;
    const usedBefore = await server.process.cpuSeconds();
    const begun = performance.now();
    const result = await client.ask<{ perSecond: number }>("measure", deadlineMs);
    const seconds = (performance.now() - begun) / 1000;
    const used = (await server.process.cpuSeconds()) - usedBefore;
    return { perSecond: result.perSecond, serverCpuUs: (used * 1e6) / (result.perSecond * seconds) };
  } finally {
    await client?.stop();
    await server.process.stop();
  }
}

const rows: readonly Row<Publications>[] = [
  {
    title: "deliveries",
    unit: "deliveries/s",
    value: ({ perSecond }) => perSecond,
    target: (peer): Target | undefined =>
      peer.startsWith("uWebSockets.js") ? { of: "ratio", atLeast: 0.6 } : undefined,
  },
  { title: "server's CPU time", unit: "µs/delivery", value: ({ serverCpuUs }) => serverCpuUs },
];
