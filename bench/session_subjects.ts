import { access } from "node:fs/promises";
import { join } from "node:path";
import { serverCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import { nativeProgram, root } from "./root.js";
import { type BenchServer, type Identity, startNode, startRawQuic, startServer } from "./servers.js";
import { sessionFlags, sessionOpening, token } from "./session_wire.js";

export type SessionTransport = "WebSocket" | "TCP" | "QUIC";

export const ours = "millrace sessions";

/** A server under load, and who loads it how. */
export interface Loaded {
  readonly server: BenchServer;
  /** The program, and what it is told of the server's protocol. */
  readonly echo: readonly string[];
  /** The same with requests that are answered at once, and later; undefined where it has none. */
  readonly request?: readonly string[];
  readonly requestLater?: readonly string[];
  /** The program that connects again and again, with the same. */
  readonly connect?: readonly string[];
  /** The program that holds connections idle, with the same, and so many messages that each sends before it rests. */
  idle(burst: number): readonly string[];
}

export interface Subject {
  readonly name: string;
  /** A file that is there when it is installed. */
  readonly needs?: string;
  /** Whether it is a Node process, which collects its garbage when it is told to. */
  readonly node: boolean;
  start(sizeBytes: number): Promise<Loaded>;
}

const peers = join(root, "bench", "peers");
const crates = join(peers, "crates", "target", "release", "millrace-bench-crates");
const urls = { WebSocket: "ws://127.0.0.1:0", TCP: "tcp://127.0.0.1:0", QUIC: "quic://127.0.0.1:0" };

/** Ours first, then the transport's floor, then the others. */
export function sessionSubjects(transport: SessionTransport, identity: Identity): readonly Subject[] {
  const both = [sessions(transport, identity), ...floors(transport, identity)];
  return [...both, crate("msgtrans", transport, identity), crate("flare-core", transport, identity)];
}

function floors(transport: SessionTransport, identity: Identity): readonly Subject[] {
  if (transport === "QUIC") return [rawQuic(identity)];
  return transport === "TCP"
    ? [bareTcp]
    : [bare("uWebSockets.js", "uws_bare"), bare("ws", "ws_bare"), socketIo];
}

/** The programs that speak WebSocket and TCP. */
function clients(
  flags: readonly string[],
  requests?: readonly string[],
  requestsLater = requests,
): Omit<Loaded, "server"> {
  const echo = nativeProgram("message_echo_client");
  return {
    echo: [echo, ...flags],
    connect: [nativeProgram("message_connect_client"), ...flags],
    ...(requests && { request: [echo, ...requests] }),
    ...(requestsLater && { requestLater: [echo, ...requestsLater] }),
    idle: (burst) => [nativeProgram("message_idle_client"), ...flags, "--burst", String(burst)],
  };
}

/** @param resumeWindowMs how long a session waits whose connection was lost. */
export function sessions(transport: SessionTransport, identity: Identity, resumeWindowMs = 120_000): Subject {
  const files = transport === "QUIC" ? [identity.certificatePath, identity.privateKeyPath] : [];
  return {
    name: ours,
    node: true,
    async start(sizeBytes) {
      const server = await startNode("session", urls[transport], String(resumeWindowMs), ...files);
      const opening = sessionOpening(transport);
      const flags = [...opening, ...sessionFlags(sizeBytes)];
      const requests = [...opening, ...sessionFlags(sizeBytes, "echo")];
      const later = [...opening, ...sessionFlags(sizeBytes, "echo.later")];
      if (transport !== "QUIC") return { server, ...clients(flags, requests, later) };
      const program = nativeProgram("quic_session_client");
      return {
        server,
        echo: [program, ...flags],
        request: [program, ...requests],
        requestLater: [program, ...later],
        idle: (burst) => [program, ...flags, "--hold", "1", "--depth", String(burst)],
      };
    },
  };
}

/** Messages as they are, with the smallest handler. */
function bare(name: string, program: string): Subject {
  return { name, node: true, start: async () => ({ server: await startNode(program), ...clients([]) }) };
}

const bareTcp: Subject = {
  name: "node:net",
  node: true,
  async start(sizeBytes) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(sizeBytes);
    const flags = ["--framing", "fixed", "--head", length.toString("hex")];
    return { server: await startNode("tcp_bare"), ...clients(flags) };
  },
};

const socketIo: Subject = {
  name: "Socket.IO",
  needs: join(peers, "node_modules", "socket.io", "package.json"),
  node: true,
  async start() {
    const server = await startServer([process.execPath, join(peers, "socket_io.js")]);
    const connect = [
      ...["--path", "/socket.io/?EIO=4&transport=websocket", "--text", "1"],
      ...["--opening", `-,${hex(`40${JSON.stringify({ token })}`)},-`],
    ];
    const flags = [...connect, "--head", hex('42["m","'), "--tail", hex('"]')];
    const asking = (subject: string) => [
      ...connect,
      "--head",
      hex(`420["${subject}","`),
      "--tail",
      hex('"]'),
      "--answer-head",
      "5",
    ];
    return { server, ...clients(flags, asking("ask"), asking("ask.later")) };
  },
};

function rawQuic(identity: Identity): Subject {
  return {
    name: "raw msquic",
    node: false,
    start: async () => ({
      server: await startRawQuic(identity),
      echo: [nativeProgram("quic_echo_client")],
      idle: () => [nativeProgram("quic_idle_client")],
    }),
  };
}

/** What a crate's server says of its protocol, in hexadecimal. */
interface CrateReady {
  readonly port: number;
  readonly head: string;
  readonly tail: string;
  readonly opening: string;
  /** Missing where the crate has no requests. */
  readonly requestHead?: string;
}

type Crate = "msgtrans" | "flare-core";

/** One of bench/peers/crates. */
function crate(name: Crate, transport: SessionTransport, identity: Identity): Subject {
  const files = ["--cert", identity.certificatePath, "--key", identity.privateKeyPath];
  return {
    name,
    needs: crates,
    node: false,
    async start(sizeBytes) {
      const command = [crates, name, "--transport", transport, "--size", String(sizeBytes), ...files];
      const started = await BenchProcess.start<CrateReady>(command, { core: serverCore });
      const { port, head, tail, opening, requestHead } = started.ready;
      const server = { process: started.process, port };
      const around = (first: string) => [
        ...framingOf(name, transport),
        ...["--opening", opening, "--head", first, "--tail", tail],
      ];
      const flags = around(head);
      if (transport !== "QUIC")
        return { server, ...clients(flags, requestHead === undefined ? undefined : around(requestHead)) };
      const client = [crates, "quic-client", ...flags];
      return { server, echo: client, idle: () => [...client, "--hold", "1"] };
    },
  };
}

function framingOf(name: Crate, transport: SessionTransport): string[] {
  if (transport === "QUIC") return name === "msgtrans" ? ["--alpn", "msgtrans/1"] : [];
  if (name === "msgtrans") {
    return transport === "TCP" ? ["--framing", "fixed"] : ["--subprotocol", "msgtrans.v1"];
  }
  // Of its answers the server makes ids and times up.
  const framing = transport === "TCP" ? ["--framing", "prefixed"] : [];
  return [...framing, "--answer-around", "256"];
}

function hex(text: string): string {
  return Buffer.from(text).toString("hex");
}

export async function isInstalled({ needs }: Subject): Promise<boolean> {
  if (needs === undefined) return true;
  return access(needs).then(
    () => true,
    () => false,
  );
}
