import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import { connect, formatAddress, listen } from "millrace";
import * as quic from "millrace/quic";
import { createRelay, type Relay } from "millrace/testing";
import {
  AbortedError,
  AddressInUseError,
  AddressUnavailableError,
  ConnectionClosedError,
  InvalidArgumentError,
} from "#internal/errors.js";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const MiB = 1024 * 1024;

const loopback = await Loopback.make();

/** A server that echoes streams, and keeps what it saw of its peers' moves. */
class Server implements quic.QuicBehaviour {
  readonly changes: quic.PathChange[] = [];
  connection: quic.QuicConnection | undefined;

  open(connection: quic.QuicConnection): void {
    this.connection = connection;
  }

  pathChange(_connection: quic.QuicConnection, change: quic.PathChange): void {
    this.changes.push(change);
  }

  data(stream: quic.QuicStream, chunk: Uint8Array): void {
    if (stream.writable && stream.write(chunk) !== "sent") stream.pause();
  }

  drain(stream: quic.QuicStream): void {
    stream.resume();
  }

  end(stream: quic.QuicStream): void {
    stream.end();
  }
}

/** Sends bytes on a stream, and reads the echo. */
class Transfer implements quic.QuicBehaviour {
  readonly #bytes: Uint8Array;
  readonly #hash = createHash("sha256");
  readonly #ended = deferred();
  #sent = 0;
  received = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  begin(connection: quic.QuicConnection): void {
    this.drain(connection.openStream());
  }

  drain(stream: quic.QuicStream): void {
    while (this.#sent < this.#bytes.length) {
      const chunk = this.#bytes.subarray(this.#sent, this.#sent + 48 * 1024);
      const result = stream.write(chunk);
      if (result === "dropped") return;
      this.#sent += chunk.length;
      if (result === "blocked") return;
    }
    stream.end();
  }

  data(_stream: quic.QuicStream, chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.received += chunk.length;
  }

  end(): void {
    this.#ended.resolve();
  }

  async intact(): Promise<void> {
    await this.#ended.promise;
    assert.equal(this.received, this.#bytes.length);
    assert.equal(this.#hash.digest("hex"), createHash("sha256").update(this.#bytes).digest("hex"));
  }
}

/** The server follows a client by what it sends: something more, should all that was to be sent have come before. */
async function follow(server: Server, client: quic.QuicConnection): Promise<void> {
  const stream = client.openStream({ direction: "unidirectional" });
  await until("the server is where the client is", () => {
    stream.write(new Uint8Array(1));
    return server.connection!.remoteAddress.port === client.localAddress.port;
  });
}

interface Setting {
  readonly server: Server;
  readonly transfer: Transfer;
  readonly client: quic.QuicConnection;
}

async function setting(t: TestContext, bytes: Uint8Array = new Uint8Array(1)): Promise<Setting> {
  const server = new Server();
  const transfer = new Transfer(bytes);
  const listener = await loopback.listenRaw(t, server);
  const client = await loopback.connectRaw(t, listener.address.port, transfer);
  await until("the server has it", () => server.connection !== undefined);
  t.after(() => server.connection!.close({ graceful: false }));
  return { server, transfer, client };
}

async function relayTo(t: TestContext, port: number): Promise<Relay> {
  const relay = await createRelay({ target: { address: "127.0.0.1", port } });
  t.after(() => relay.close());
  return relay;
}

describe("rebind", () => {
  test("takes another port, keeps the streams, and tells the server both addresses", async (t) => {
    const { server, transfer, client } = await setting(t, randomBytes(8 * MiB));
    const before = client.localAddress;
    const { pathsValidated } = quic.quicCounters();
    transfer.begin(client);
    await until("the transfer is under way", () => transfer.received > MiB);
    const after = await client.rebind();
    assert.equal(after.address, before.address);
    assert.notEqual(after.port, before.port);
    assert.deepEqual(client.localAddress, after);
    await transfer.intact();
    await follow(server, client);
    assert.equal(server.changes.length, 1);
    await until(
      "the server has validated the path",
      () => quic.quicCounters().pathsValidated > pathsValidated,
    );
    const [change] = server.changes;
    assert.deepEqual(change!.remote, { before, after });
    assert.deepEqual(change!.local, client.remoteAddress);
    assert.deepEqual(server.connection!.remoteAddress, after);
  });

  test("takes the address and port that it was given", async (t) => {
    const { server, transfer, client } = await setting(t);
    const probe = createSocket("udp4").bind(0, "127.0.0.7");
    await once(probe, "listening");
    const { port } = probe.address();
    await new Promise<void>((resolve) => probe.close(() => resolve()));
    const after = await client.rebind({ address: "127.0.0.7", port });
    assert.deepEqual(after, { address: "127.0.0.7", family: "ipv4", port });
    transfer.begin(client);
    await transfer.intact();
    assert.deepEqual(server.connection!.remoteAddress, after);
  });

  test("works right after connecting, before the handshake is confirmed, and many times at once", async (t) => {
    const { server, transfer, client } = await setting(t);
    const ports = (await Promise.all([1, 2, 3].map(() => client.rebind()))).map(({ port }) => port);
    assert.equal(client.localAddress.port, ports.at(-1));
    transfer.begin(client);
    await transfer.intact();
    await until("the server follows", () => server.connection!.remoteAddress.port === ports.at(-1));
  });

  test("a hundred times during a transfer loses nothing", async (t) => {
    const { server, transfer, client } = await setting(t, randomBytes(64 * MiB));
    transfer.begin(client);
    const ports = new Set<number>();
    for (let i = 0; i < 100; i++) ports.add((await client.rebind()).port);
    assert.equal(client.state, "open");
    await transfer.intact();
    await follow(server, client);
    assert.ok(ports.size > 90);
    assert.ok(server.changes.length > 0);
    assert.deepEqual(server.connection!.remoteAddress, client.localAddress);
    // Each change begins where the last one ended, however many moves it stands for.
    for (const [index, { remote }] of server.changes.entries()) {
      assert.notDeepEqual(remote.before, remote.after);
      if (index > 0) assert.deepEqual(remote.before, server.changes[index - 1]!.remote.after);
    }
  });

  test("leaves a socket that is shared with others, who stay, however often", async (t) => {
    const server = new Server();
    const listener = await loopback.listenRaw(t, server);
    const transfers = [new Transfer(randomBytes(MiB)), new Transfer(randomBytes(4 * MiB))];
    const options = { socket: "shared" } as const;
    const clients: quic.QuicConnection[] = [];
    for (const transfer of transfers) {
      clients.push(await loopback.connectRaw(t, listener.address.port, transfer, options));
    }
    const [stays, moves] = clients;
    const before = stays!.localAddress;
    transfers[1]!.begin(moves!);
    // More often than the peer gives connection ids in advance: each move gives the last one back.
    for (let i = 0; i < 20; i++) assert.notEqual((await moves!.rebind()).port, before.port);
    transfers[0]!.begin(stays!);
    await Promise.all(transfers.map((transfer) => transfer.intact()));
    assert.deepEqual(stays!.localAddress, before);
    assert.ok((await moves!.statistics()).peerIdChanges >= 20);
  });

  test("gives up waiting when its caller does", async (t) => {
    const { client } = await setting(t);
    const before = client.localAddress;
    const reason = new Error("enough");
    await assert.rejects(client.rebind({ signal: AbortSignal.abort(reason) }), (error: Error) => {
      assert.ok(error instanceof AbortedError);
      assert.equal(error.cause, reason);
      return true;
    });
    assert.deepEqual(client.localAddress, before);
    await assert.rejects(client.rebind({ timeoutMs: 0 }), InvalidArgumentError);
  });

  test("to an address that cannot be had is an error, and the connection stays where it was", async (t) => {
    const { server, transfer, client } = await setting(t);
    const before = client.localAddress;
    const taken = createSocket("udp4").bind(0, "127.0.0.1");
    await once(taken, "listening");
    t.after(() => taken.close());
    await assert.rejects(client.rebind({ port: taken.address().port }), AddressInUseError);
    await assert.rejects(client.rebind({ address: "192.0.2.1" }), AddressUnavailableError);
    for (const wrong of [
      { address: "::1" },
      { address: "localhost" },
      { address: 7 },
      { port: -1 },
      { port: 65_536 },
      { port: 1.5 },
      { port: "1" },
      null,
      7,
    ]) {
      await assert.rejects(client.rebind(wrong as quic.RebindOptions), InvalidArgumentError);
    }
    assert.deepEqual(client.localAddress, before);
    transfer.begin(client);
    await transfer.intact();
    assert.deepEqual(server.changes, []);
  });

  test("is for the side that connected", async (t) => {
    const { server } = await setting(t);
    await assert.rejects(server.connection!.rebind(), InvalidArgumentError);
  });

  test("of a connection that ends or has ended is an error", async (t) => {
    const { client } = await setting(t);
    const moving = client.rebind().then(
      () => "moved",
      (error: unknown) => error,
    );
    const closed = client.close();
    await assert.rejects(client.rebind(), ConnectionClosedError);
    const outcome = await moving;
    assert.ok(outcome === "moved" || outcome instanceof ConnectionClosedError, `${outcome}`);
    await closed;
    await assert.rejects(client.rebind(), ConnectionClosedError);
  });
});

describe("a NAT that forgets", () => {
  test("moves the client, and the transfer goes on over the validated path", async (t) => {
    const server = new Server();
    const transfer = new Transfer(randomBytes(8 * MiB));
    const listener = await loopback.listenRaw(t, server);
    const relay = await relayTo(t, listener.address.port);
    const client = await loopback.connectRaw(t, relay.address.port, transfer);
    t.after(() => server.connection!.close({ graceful: false }));
    transfer.begin(client);
    // More networks than msquic keeps paths for, and one more port on the last of them.
    for (const [index, address] of [
      "127.0.0.11",
      "127.0.0.12",
      "127.0.0.13",
      "127.0.0.14",
      undefined,
    ].entries()) {
      await until("more has come", () => transfer.received > (index + 1) * MiB);
      await relay.rebind(address === undefined ? {} : { address });
    }
    await transfer.intact();
    await until("the server knows where the client is", () => {
      return server.connection!.remoteAddress.port === relay.flows[0]!.source!.port;
    });
    assert.ok(server.changes.length >= 1 && server.changes.length <= 5);
    assert.deepEqual(client.remoteAddress.port, relay.address.port);
  });

  test("does so twenty times with clients that have connection ids of their own", async (t) => {
    const server = new Server();
    const transfer = new Transfer(randomBytes(8 * MiB));
    const listener = await loopback.listenRaw(t, server);
    const relay = await relayTo(t, listener.address.port);
    const client = await loopback.connectRaw(t, relay.address.port, transfer, { socket: "shared" });
    t.after(() => server.connection!.close({ graceful: false }));
    transfer.begin(client);
    for (let rebinds = 1; rebinds <= 20; rebinds++) {
      await until("more has come", () => transfer.received > rebinds * 256 * 1024);
      await relay.rebind(rebinds % 2 === 0 ? { address: `127.0.0.${20 + rebinds}` } : {});
    }
    await transfer.intact();
    assert.equal(server.connection!.remoteAddress.address, "127.0.0.40");
  });

  test("is nothing that a connection of messages notices, while its remoteAddress changes", async (t) => {
    const seen = new Set<string>();
    const listener = await listen(
      "quic://127.0.0.1:0",
      {
        message(connection, bytes) {
          seen.add(formatAddress(connection.remoteAddress));
          connection.send(bytes.slice());
        },
      },
      { tls: loopback.identity },
    );
    const relay = await relayTo(t, Number(new URL(listener.urls[0]!).port));
    const numbers: number[] = [];
    const client = await connect(
      `quic://127.0.0.1:${relay.address.port}`,
      { message: (_, bytes) => void numbers.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)) },
      { tls: { ca: loopback.ca } },
    );
    t.after(async () => {
      await listener.close({ graceful: false });
      await client.close({ graceful: false });
    });
    const count = 300;
    for (let number = 0; number < count; number++) {
      const message = new Uint8Array(2_000);
      new DataView(message.buffer).setUint32(0, number);
      assert.notEqual(client.send(message), "dropped");
      if (number % 100 === 50) await relay.rebind();
      await until("it is back", () => numbers.length > number - 20);
    }
    await until("all are back", () => numbers.length === count);
    assert.deepEqual(
      numbers,
      Array.from({ length: count }, (_, number) => number),
    );
    assert.equal(seen.size, 4);
  });
});
