import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import type * as quic from "millrace/quic";
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
 * Carries datagrams between one client and a server, and can send the client's from a place of its own, just before
 * they come from where they should: what somebody does who sees the client's packets and sends faster.
 */
class ManOnTheSide {
  readonly port: number;
  /** How many of the client's next datagrams are sent first from elsewhere. */
  forge = 0;
  forged = 0;
  readonly elsewhere = { address: "127.0.0.66", sent: 0, received: 0 };

  private constructor(port: number) {
    this.port = port;
  }

  static async open(t: TestContext, target: quic.SocketAddress): Promise<ManOnTheSide> {
    const [front, back, side] = await Promise.all([
      bind(t, "127.0.0.1"),
      bind(t, "127.0.0.1"),
      bind(t, "127.0.0.66"),
    ]);
    const man = new ManOnTheSide(front.address().port);
    let client = 0;
    front.on("message", (bytes, { port }) => {
      client = port;
      if (man.forge > 0) {
        man.forge -= 1;
        man.forged += 1;
        man.elsewhere.sent += bytes.length;
        side.send(bytes, target.port, target.address);
      }
      back.send(bytes, target.port, target.address);
    });
    back.on("message", (bytes) => front.send(bytes, client, "127.0.0.1"));
    side.on("message", (bytes) => {
      man.elsewhere.received += bytes.length;
    });
    return man;
  }
}

// Not settled: it fails now and then where every challenge is lost. `npm run soak:network` runs it.
if (process.env.MILLRACE_SOAK === "1") {
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
    const listener = await loopback.listenRaw(t, {
      open: (connection) => accepted.resolve(connection),
      pathChange: (_, change) => void changes.push(change),
      drain: pump,
    });
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
    man.forge = 10;
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
}
