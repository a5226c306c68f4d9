import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import * as quic from "millrace/quic";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const MiB = 1024 * 1024;

async function bind(t: TestContext, address: string): Promise<Socket> {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4 * MiB });
  socket.bind(0, address);
  await once(socket, "listening");
  t.after(() => socket.close());
  return socket;
}

/**
 * Carries datagrams between one client and a server, and can send the client's from a place of its own before they come
 * from where they should: what somebody does who sees the client's packets and sends faster.
 */
class ManOnTheSide {
  readonly port: number;
  /** How many of the client's next datagrams are sent first from elsewhere. */
  forge = 0;
  forged = 0;
  /** What the client sends waits meanwhile, so that the forged is first. */
  #held: Buffer[] | undefined;
  /** From the first forgery on, so many of the server's datagrams to the client are lost, and all that it sends. */
  lose = 0;
  lost = 0;
  readonly elsewhere = { address: "127.0.0.66", sent: 0, received: 0 };
  readonly #forward: (bytes: Buffer) => void;

  private constructor(port: number, forward: (bytes: Buffer) => void) {
    this.port = port;
    this.#forward = forward;
  }

  static async open(t: TestContext, target: quic.SocketAddress): Promise<ManOnTheSide> {
    const [front, back, side] = await Promise.all([
      bind(t, "127.0.0.1"),
      bind(t, "127.0.0.1"),
      bind(t, "127.0.0.66"),
    ]);
    const man = new ManOnTheSide(front.address().port, (bytes) =>
      back.send(bytes, target.port, target.address),
    );
    let client = 0;
    front.on("message", (bytes, { port }) => {
      client = port;
      man.#onClient(bytes, () => side.send(bytes, target.port, target.address));
    });
    back.on("message", (bytes) => {
      if (man.forged === 0 || man.lost >= man.lose) return front.send(bytes, client, "127.0.0.1");
      man.lost += 1;
      if (man.lost === man.lose) man.mend();
    });
    side.on("message", (bytes) => {
      man.elsewhere.received += bytes.length;
    });
    return man;
  }

  /** Holds the client's datagrams back from now on, and sends so many of them from elsewhere. */
  begin(forge: number): void {
    this.forge = forge;
    this.#held = [];
  }

  /** Sends what was held back, and holds no more. */
  letGo(): void {
    for (const bytes of this.#held ?? []) this.#forward(bytes);
    this.#held = undefined;
  }

  /** Loses nothing from now on; what was held back is lost. */
  mend(): void {
    this.lose = this.lost;
    this.#held = undefined;
  }

  #onClient(bytes: Buffer, forge: () => void): void {
    if (this.forge > 0) {
      this.forge -= 1;
      this.forged += 1;
      this.elsewhere.sent += bytes.length;
      forge();
    }
    if (this.#held === undefined) this.#forward(bytes);
    else this.#held.push(bytes);
  }
}

test("who sends a client's packets from elsewhere gets little, and the connection goes on", async (t) => {
  const loopback = await Loopback.make();
  const changes: quic.PathChange[] = [];
  const accepted = deferred<quic.QuicConnection>();
  const pump = (stream: quic.QuicStream) => {
    while (stream.data !== 0) {
      const result = stream.write(new Uint8Array(64 * 1024));
      if (result === "dropped") return;
      stream.data = (stream.data as number) - 1;
      if (result === "blocked") return;
    }
    stream.end();
  };
  const listener = await loopback.listenRaw(
    t,
    {
      open: (connection) => accepted.resolve(connection),
      pathChange: (_, change) => {
        changes.push(change);
        man.letGo();
      },
      drain: pump,
    },
    { initialRttMs: 50 },
  );
  const man = await ManOnTheSide.open(t, listener.address);
  let received = 0;
  const ended = deferred();
  // Windows that the sockets in the middle hold, so that no challenge is lost there.
  const windows = { streamWindowBytes: 64 * 1024, connectionWindowBytes: 128 * 1024 };
  await loopback.connectRaw(
    t,
    man.port,
    {
      data: (_, chunk) => {
        received += chunk.length;
      },
      end: () => ended.resolve(),
      close: (_, info) => ended.reject(info.error ?? new Error(`closed by ${info.by}`)),
    },
    windows,
  );
  const server = await accepted.promise;
  const home = server.remoteAddress;
  const stream = server.openStream({ direction: "unidirectional" });
  stream.data = (8 * MiB) / (64 * 1024);
  pump(stream);
  await until("the transfer is under way", () => received > MiB / 4);
  man.begin(10);
  await ended.promise;
  assert.equal(received, 8 * MiB);
  assert.ok(man.forged > 0);
  assert.ok(
    changes.some(({ remote }) => remote.after.address === man.elsewhere.address),
    "the server was led astray",
  );
  assert.ok(
    man.elsewhere.received <= 3 * man.elsewhere.sent,
    `${man.elsewhere.received} of ${man.elsewhere.sent}`,
  );
  await until("the server is back where the client is", () => server.remoteAddress.port === home.port);
  assert.deepEqual(server.remoteAddress, home);
  await server.close();
});

/**
 * A connection whose server is led astray by an acknowledgement, so that the client has nothing to repeat: it stays
 * silent unless it is challenged, or the server has come back.
 * @param lose so many of the server's challenges are lost, but nothing after it has come back.
 */
async function ledAstray(t: TestContext, lose: number) {
  const loopback = await Loopback.make();
  const accepted = deferred<quic.QuicConnection>();
  const changes: quic.PathChange[] = [];
  const listener = await loopback.listenRaw(
    t,
    {
      open: (connection) => accepted.resolve(connection),
      pathChange: (_, change) => {
        changes.push(change);
        if (changes.length > 1) man.mend();
      },
    },
    { initialRttMs: 50 },
  );
  const man = await ManOnTheSide.open(t, listener.address);
  man.lose = lose;
  let received = "";
  const client = await loopback.connectRaw(t, man.port, {
    data: (_, chunk) => {
      received += Buffer.from(chunk).toString();
    },
  });
  const server = await accepted.promise;
  t.after(() => server.close({ graceful: false }));
  const home = server.remoteAddress;
  const stream = server.openStream({ direction: "unidirectional" });
  stream.write(Buffer.from("one"));
  await until("it is acknowledged", () => received === "one" && stream.bytesQueued === 0);
  await until(
    "the search for an MTU is over",
    () => server.maxDatagramBytes > 1_400 && client.maxDatagramBytes > 1_400,
  );
  man.begin(1);
  stream.write(Buffer.from("two"));
  await until("the server has followed", () => changes[0]?.remote.after.address === man.elsewhere.address);
  stream.write(Buffer.from("three"));
  await until("the rest has come", () => received === "onetwothree");
  assert.deepEqual(server.remoteAddress, home);
  assert.equal(changes.length, 2);
  assert.ok(man.elsewhere.received <= 3 * man.elsewhere.sent);
  return man;
}

test("a server that was led astray comes back although its first challenges are lost", async (t) => {
  const man = await ledAstray(t, 3);
  assert.equal(man.lost, 3);
});

test("a server that was led astray comes back when nobody answers a challenge", async (t) => {
  const { pathsFailed } = quic.quicCounters();
  const man = await ledAstray(t, Number.POSITIVE_INFINITY);
  assert.ok(man.lost > 3);
  await until("the path is given up", () => quic.quicCounters().pathsFailed > pathsFailed);
});
