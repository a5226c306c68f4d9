import assert from "node:assert/strict";
import { before, describe, type TestContext, test } from "node:test";
import {
  type CloseInfo,
  frameCodec,
  type PlacedFrame,
  type Transport,
  type TransportBehaviour,
  type TransportConnection,
} from "millrace";
import { quicTransport } from "millrace/quic";
import { Authority } from "millrace/testing";
import { webSocketTransport } from "millrace/websocket";
import { streamFraming } from "#internal/frame/control.js";
import { encodeFrame, Kind } from "#internal/frame/frame.js";
import { tcpTransport } from "#internal/tcp/transport.js";
import { parseTransportUrl } from "#internal/transport/address.js";
import { hasUws } from "../kit/node_version.js";
import { collectUncaught } from "../kit/uncaught.js";
import { until } from "../kit/until.js";

const authority = await Authority.make();
const identity = await authority.issue();

const MiB = 1024 * 1024;
const limits = {
  maxFrameBytes: MiB,
  highWaterMarkBytes: MiB,
  idleTimeoutMs: 30_000,
  handshakeTimeoutMs: 10_000,
  stream: streamFraming([frameCodec]),
};

const cases: readonly (readonly [string, string, Transport, string?])[] = [
  ["TCP", "tcp", tcpTransport],
  ["TCP in TLS", "tls", tcpTransport],
  ["WebSocket by uWebSockets.js", "ws", webSocketTransport, "uws"],
  ["WebSocket by ws", "ws", webSocketTransport, "ws"],
  ["WebSocket in TLS", "wss", webSocketTransport],
  ["QUIC", "quic", quicTransport],
];

/** A frame of so many bytes of payload. */
function frameOf(bytes: number): Uint8Array {
  const header = { kind: Kind.Message, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };
  return encodeFrame(header, new Uint8Array(bytes));
}

/** Every handler of both ends counts its calls, and throws. */
class Throwing implements TransportBehaviour {
  readonly calls = { open: 0, frame: 0, drain: 0, close: 0 };
  opened: TransportConnection | undefined;
  info: CloseInfo | undefined;

  open(connection: TransportConnection): void {
    this.opened = connection;
    this.#throw("open");
  }

  frame(_connection: TransportConnection, frame: Uint8Array): void {
    if (frame.length > 1_000) this.#throw("frame"); // not for what a connection on TCP says for itself
  }

  /** As the layer above takes them: from transports that know where they lie. */
  placedFrame(connection: TransportConnection, frame: PlacedFrame): void {
    this.frame(connection, frame.bytes());
  }

  drain(): void {
    this.#throw("drain");
  }

  close(_connection: TransportConnection, info: CloseInfo): void {
    this.info = info;
    this.#throw("close");
  }

  #throw(name: keyof Throwing["calls"]): void {
    this.calls[name] += 1;
    throw new Error(`${name} of the application's`);
  }
}

for (const [name, scheme, transport, library = ""] of cases) {
  if (library === "uws" && !hasUws) continue;
  describe(`a behaviour on ${name}`, () => {
    before(() => {
      process.env.MILLRACE_WEBSOCKET = library;
    });

    async function pair(t: TestContext, behaviour: TransportBehaviour) {
      const protocols = ["millrace.v1"];
      const url = parseTransportUrl(`${scheme}://127.0.0.1:0`);
      const listener = await transport.listen(
        { ...limits, protocols, url, tls: identity, http: undefined },
        behaviour,
      );
      t.after(() => listener.close());
      const client = await transport.connect(
        {
          ...limits,
          protocols,
          url: { ...url, port: listener.address.port },
          tls: { ca: authority.certificate },
          signal: undefined,
        },
        behaviour,
      );
      t.after(() => client.close({ graceful: false }));
      return { listener, client };
    }

    test("may throw anywhere: it is told as uncaught, and the connection goes on", async (t) => {
      const uncaught = collectUncaught(t);
      const behaviour = new Throwing();
      const { calls } = behaviour;
      const { client, listener } = await pair(t, behaviour);
      await until("it is open at the server", () => calls.open === 1);
      const server = behaviour.opened!;
      for (const end of [client, server]) {
        end.send(frameOf(1_000));
        end.send(frameOf(2_000));
      }
      await until("both ends got both frames", () => calls.frame === 4);
      client.pause();
      const large = frameOf(MiB / 4);
      while (server.send(large) !== "dropped") await new Promise(setImmediate);
      client.resume();
      await until("there is room again", () => calls.drain === 1);
      const got = calls.frame;
      client.send(frameOf(3_000));
      await until("frames arrive still", () => calls.frame > got);
      client.close({ graceful: false });
      await until("both ends are told of the end", () => calls.close === 2);
      await until("nothing is left of it", () => listener.connectionCount === 0);
      await until("all was told", () => {
        const { open, frame, drain, close } = calls;
        return uncaught.length === open + frame + drain + close;
      });
      for (const error of uncaught) assert.match(String(error), /of the application's$/);
    });
  });
}
