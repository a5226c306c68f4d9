import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { connect, type QuicBehaviour, type QuicConnection, type QuicStream } from "millrace/quic";
import { WebSocket } from "ws";
import { MillraceProcess } from "../kit/command.js";
import { temporaryFolder } from "../kit/folder.js";

const env = { XDG_CACHE_HOME: temporaryFolder() };

interface Ready {
  readonly quic: string;
  readonly ws: string;
  readonly alpn: string;
  readonly certificate: { readonly path: string; readonly sha256: string; readonly development: boolean };
}

let server: MillraceProcess;
let ready: Ready;

before(async () => {
  server = new MillraceProcess(["echo", "--quic", "localhost:0", "--ws", "127.0.0.1:0", "--log"], { env });
  ready = await server.ready<Ready>();
});

after(async () => {
  assert.equal(await server.stop(), 0, server.stderr);
});

function dial(behaviour: QuicBehaviour): Promise<QuicConnection> {
  const port = Number(ready.quic.slice(ready.quic.lastIndexOf(":") + 1));
  const tls = { ca: ready.certificate.path };
  return connect(`quic://localhost:${port}`, { alpn: [ready.alpn], tls }, behaviour);
}

/** Reads streams to their FIN. */
class Reader implements QuicBehaviour {
  readonly whole: Promise<{ stream: QuicStream; bytes: Buffer }>;
  readonly #chunks: Uint8Array[] = [];
  #done!: (result: { stream: QuicStream; bytes: Buffer }) => void;

  constructor() {
    this.whole = new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  data(_stream: QuicStream, chunk: Uint8Array): void {
    this.#chunks.push(chunk.slice());
  }

  end(stream: QuicStream): void {
    this.#done({ stream, bytes: Buffer.concat(this.#chunks) });
  }
}

/** Writes all of it, waiting whenever the stream is blocked. */
async function writeAll(stream: QuicStream, bytes: Buffer, drained: () => Promise<void>): Promise<void> {
  for (let at = 0; at < bytes.length; at += 65_536) {
    if (stream.write(bytes.subarray(at, at + 65_536)) !== "sent") await drained();
  }
  stream.end();
}

test("tells its addresses, ALPN and development certificate in one line of JSON", () => {
  assert.match(ready.quic, /^(127\.0\.0\.1|\[::1\]):\d+$/);
  assert.match(ready.ws, /^ws:\/\/127\.0\.0\.1:\d+\/$/);
  assert.equal(ready.alpn, "millrace-echo");
  assert.equal(ready.certificate.development, true);
  assert.match(ready.certificate.sha256, /^[0-9a-f]{64}$/);
});

test("a bidirectional stream gets its bytes back, and FIN after its FIN", async () => {
  const reader = new Reader();
  await using connection = await dial(reader);
  const stream = connection.openStream();
  stream.write(Buffer.from("no framing"));
  stream.end();
  const { stream: answer, bytes } = await reader.whole;
  assert.equal(answer, stream);
  assert.equal(bytes.toString(), "no framing");
});

test("a unidirectional stream is answered by one of the server's with the same bytes", async () => {
  const reader = new Reader();
  await using connection = await dial(reader);
  const stream = connection.openStream({ direction: "unidirectional" });
  stream.write(Buffer.from("one way"));
  stream.end();
  const { stream: answer, bytes } = await reader.whole;
  assert.equal(answer.direction, "unidirectional");
  assert.equal(answer.initiator, "peer");
  assert.equal(bytes.toString(), "one way");
});

test("a client that reads late gets every byte of 16 MiB", async () => {
  const sent = randomBytes(16 * 1024 * 1024);
  const reader = new Reader();
  let drain = () => {};
  let blocked = 0;
  let reading: NodeJS.Timeout | undefined;
  const behaviour: QuicBehaviour = {
    data: (stream, chunk) => reader.data(stream, chunk),
    end: (stream) => reader.end(stream),
    drain: () => drain(),
  };
  await using connection = await dial(behaviour);
  const stream = connection.openStream();
  stream.pause();
  await writeAll(stream, sent, () => {
    blocked += 1;
    // The reader starts when the server's queue and both windows are full: nothing drains any more.
    clearTimeout(reading);
    reading = setTimeout(() => stream.resume(), 500);
    return new Promise((resolve) => {
      drain = resolve;
    });
  });
  const { bytes } = await reader.whole;
  assert.ok(blocked > 0);
  assert.ok(bytes.equals(sent));
});

test("a datagram is answered by a datagram", async () => {
  let heard!: (text: string) => void;
  const answer = new Promise<string>((resolve) => {
    heard = resolve;
  });
  await using connection = await dial({ datagram: (_c, bytes) => heard(Buffer.from(bytes).toString()) });
  // Unreliable even on loopback: the question is repeated until there is an answer.
  const repeat = setInterval(() => connection.sendDatagram(Buffer.from("ping")), 50);
  connection.sendDatagram(Buffer.from("ping"));
  assert.equal(await answer, "ping");
  clearInterval(repeat);
});

test("a client's reset comes back as a reset, its stop as a stop", async () => {
  const seen: string[] = [];
  let both!: () => void;
  const done = new Promise<void>((resolve) => {
    both = resolve;
  });
  const see = (what: string) => {
    seen.push(what);
    if (seen.length === 2) both();
  };
  await using connection = await dial({
    reset: (_stream, code) => see(`reset ${code}`),
    stopped: (_stream, code) => see(`stopped ${code}`),
  });
  const resetting = connection.openStream();
  resetting.write(Buffer.from("half"));
  resetting.reset(7);
  const stopping = connection.openStream();
  stopping.write(Buffer.from("half"));
  stopping.stopSending(9);
  await done;
  assert.deepEqual(seen.sort(), ["reset 7", "stopped 9"]);
});

test("a WebSocket message comes back as it was: text as text, binary as binary, nothing as nothing", async () => {
  const socket = new WebSocket(ready.ws);
  await new Promise((resolve) => socket.once("open", resolve));
  for (const message of ["text ✓", Buffer.from([0, 255, 1]), "", Buffer.alloc(0), randomBytes(300_000)]) {
    socket.send(message);
    const [data, binary] = await new Promise<[Buffer, boolean]>((resolve) =>
      socket.once("message", (data, binary) => resolve([data as Buffer, binary])),
    );
    assert.equal(binary, typeof message !== "string");
    assert.ok(data.equals(Buffer.from(message)));
  }
  socket.close();
});

test("a WebSocket client that reads late gets every message, in order", async () => {
  const socket = new WebSocket(ready.ws);
  await new Promise((resolve) => socket.once("open", resolve));
  socket.pause();
  const count = 400;
  for (let n = 0; n < count; n += 1) socket.send(Buffer.alloc(64 * 1024, n & 0xff));
  // What the kernels' buffers take has been taken when nothing moved between two looks.
  for (let before = -1; before !== socket.bufferedAmount; ) {
    before = socket.bufferedAmount;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(socket.bufferedAmount > 0, "the server holds us back");
  let next = 0;
  const all = new Promise<void>((resolve, reject) => {
    socket.on("message", (data: Buffer) => {
      if (data.length !== 64 * 1024 || data[0] !== (next & 0xff))
        reject(new Error(`message ${next} differs`));
      next += 1;
      if (next === count) resolve();
    });
    socket.once("close", () => reject(new Error(`closed after ${next}`)));
  });
  socket.resume();
  await all;
  socket.close();
});

test("logs each connection, how it ended, and the peer's code on the wire", async () => {
  const connection = await dial({});
  const quicPeer = `${connection.localAddress.address}`;
  await connection.close({ code: 300, reason: "enough" });
  const quicLine = await server.output(/^.*"event":"closed","transport":"quic".*"peerCode":300.*$/m);
  const logged = JSON.parse(quicLine[0]);
  assert.equal(logged.by, "peer");
  assert.equal(logged.error, null);
  assert.ok(logged.peer.includes(quicPeer));
  const socket = new WebSocket(ready.ws);
  await new Promise((resolve) => socket.once("open", resolve));
  socket.close(4321, "bye");
  const wsLine = await server.output(/^.*"event":"closed","transport":"websocket".*"peerCode":4321.*$/m);
  assert.equal(JSON.parse(wsLine[0]).reason, "bye");
  const vanishing = new WebSocket(ready.ws);
  await new Promise((resolve) => vanishing.once("open", resolve));
  vanishing.terminate();
  await server.output(/^.*"transport":"websocket".*"by":"transport","peerCode":null.*CONNECTION_LOST.*$/m);
});

test("another ALPN name is served when asked for, and open connections do not hold up the end", async () => {
  const other = new MillraceProcess(["echo", "--quic", "127.0.0.1:0", "--alpn", "other/2"], { env });
  const { quic, certificate } = await other.ready<Ready>();
  const reader = new Reader();
  const connection = await connect(
    `quic://${quic}`,
    { alpn: ["other/2"], tls: { ca: certificate.path } },
    reader,
  );
  assert.equal(connection.protocol, "other/2");
  // An echo first: a client's handshake is done a moment before the server's.
  const stream = connection.openStream();
  stream.write(Buffer.from("here"));
  stream.end();
  await reader.whole;
  assert.equal(await other.stop(), 0, other.stderr);
  assert.equal((await connection.closed).code, 1);
});
