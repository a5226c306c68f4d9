import assert from "node:assert/strict";
import { connect as connectTcp, type Socket } from "node:net";
import { before, describe, type TestContext, test } from "node:test";
import { type Behaviour, connect, type ListenOptions, listen, type SocketAddress } from "millrace";
import { Authority } from "millrace/testing";
import { until } from "../kit/until.js";

const authority = await Authority.make();
const identity = await authority.issue();

/** Counts whoever was admitted and is not gone: in all, and by address. */
class Cap {
  count = 0;
  most = 0;
  refused = 0;
  readonly #byAddress = new Map<string, number>();
  readonly #total: number;
  readonly #perAddress: number;
  mostPerAddress = 0;

  constructor(total: number, perAddress: number) {
    this.#total = total;
    this.#perAddress = perAddress;
  }

  get options(): ListenOptions {
    return { admit: (peer) => this.#admit(peer), abandoned: (peer) => this.#release(peer) };
  }

  get behaviour(): Behaviour {
    return {
      message: (connection, message) => void connection.send(message),
      close: (connection) => this.#release(connection.remoteAddress),
    };
  }

  get addresses(): number {
    return this.#byAddress.size;
  }

  #admit({ address }: SocketAddress): boolean {
    const ofAddress = this.#byAddress.get(address) ?? 0;
    if (this.count >= this.#total || ofAddress >= this.#perAddress) {
      this.refused += 1;
      return false;
    }
    this.count += 1;
    this.#byAddress.set(address, ofAddress + 1);
    this.most = Math.max(this.most, this.count);
    this.mostPerAddress = Math.max(this.mostPerAddress, ofAddress + 1);
    return true;
  }

  #release({ address }: SocketAddress): void {
    this.count -= 1;
    const left = this.#byAddress.get(address)! - 1;
    assert.ok(left >= 0, "nobody goes twice");
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }
}

const upgrade = [
  "GET / HTTP/1.1",
  "Host: localhost",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Protocol: millrace.v1",
  "\r\n",
].join("\r\n");

/** Connections from each of many addresses, that say so much and then nothing. */
function flood(t: TestContext, port: number, addresses: number, each: number, says: string): Socket[] {
  const sockets: Socket[] = [];
  for (let host = 1; host <= addresses; host++) {
    for (let index = 0; index < each; index++) {
      const socket = connectTcp({
        host: "127.0.0.1",
        port,
        localAddress: `127.9.${host >> 8}.${host & 0xff}`,
      });
      socket.on("error", () => {});
      socket.resume();
      if (says !== "") socket.write(says);
      sockets.push(socket);
    }
  }
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  return sockets;
}

for (const [name, url, says, library = ""] of [
  ["TCP", "tcp://127.0.0.1:0", ""],
  ["TCP in TLS", "tls://127.0.0.1:0", ""],
  ["TCP with a greeting", "tcp://127.0.0.1:0", "MILLRACE millrace/1\n"],
  ["WebSocket by uWebSockets.js", "ws://127.0.0.1:0", upgrade, "uws"],
  ["WebSocket by ws", "ws://127.0.0.1:0", upgrade, "ws"],
  ["WebSocket in TLS", "wss://127.0.0.1:0", ""],
] as const) {
  describe(`a flood of connections from many addresses, on ${name}`, () => {
    before(() => {
      process.env.MILLRACE_WEBSOCKET = library;
    });

    test("stops at the caps of each address and of all, and leaves nothing behind", async (t) => {
      const [addresses, each] = [64, 8];
      const [total, perAddress] = [100, 2];
      const cap = new Cap(total, perAddress);
      const listener = await listen(url, cap.behaviour, { tls: identity, ...cap.options });
      t.after(() => listener.close({ graceful: false }));
      const sockets = flood(t, listener.addresses[0]!.port, addresses, each, says);
      await until("all were judged", () => cap.count + cap.refused === addresses * each);
      assert.equal(cap.most, total);
      assert.equal(cap.mostPerAddress, perAddress);
      assert.equal(cap.refused, addresses * each - total);
      await until("who was refused is cut off", () => {
        return sockets.filter((socket) => socket.closed).length >= cap.refused;
      });
      assert.equal(cap.count, total, "who was let in stays");
      for (const socket of sockets) socket.destroy();
      await until("all are gone", () => cap.count === 0 && listener.connectionCount === 0);
      assert.equal(cap.addresses, 0);
      const tls = { ca: authority.certificate };
      const client = await connect(listener.urls[0]!, {}, { tls });
      client.send(Buffer.from("room again"));
      for await (const message of client) {
        assert.equal(Buffer.from(message).toString(), "room again");
        break;
      }
      await client.close();
      await until("it is gone, too", () => cap.count === 0);
    });
  });
}
