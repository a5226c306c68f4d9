import type { TestContext } from "node:test";
import type { Transport, TransportBehaviour } from "millrace";
import { streamFraming } from "#internal/frame/control.js";
import { decodeFrame, encodeFrame, FrameView, Kind } from "#internal/frame/frame.js";
import { readListenOptions } from "#internal/frame/options.js";
import { transportOptions } from "#internal/frame/transport_options.js";
import { transportOf } from "#internal/frame/transports.js";
import { parseTransportUrl, type SocketAddress } from "#internal/transport/address.js";
import type { CloseInfo } from "#internal/transport/close.js";
import type { TransportConnection } from "#internal/transport/connection.js";
import type { TransportOptions } from "#internal/transport/transport.js";
import { deferred } from "./deferred.js";

/** A frame by what its header says. */
export interface Heard {
  readonly lane: number;
  readonly number: number;
}

/** One end of a transport's connection, below messages, and what it hears. */
export class FramedEnd {
  readonly heard: Heard[] = [];
  /** Called with each frame that was heard. */
  onFrame: (heard: Heard) => void = () => {};
  onDrain: () => void = () => {};
  readonly closed = deferred<CloseInfo>();
  connection!: TransportConnection;
  readonly #view = new FrameView();

  /** A behaviour that listens for this end. */
  behaviour(opened: () => void = () => {}): TransportBehaviour {
    return {
      open: (connection) => {
        this.connection = connection;
        opened();
      },
      frame: (connection, bytes) => {
        decodeFrame(bytes, connection.framesVerified, this.#view);
        if (this.#view.kind !== Kind.Message) return; // what a connection on TCP says for itself
        const heard = { lane: this.#view.channel, number: this.#view.seq };
        this.heard.push(heard);
        this.onFrame(heard);
      },
      drain: () => this.onDrain(),
      close: (_, info) => this.closed.resolve(info),
    };
  }

  send(lane: number, number: number, bytes = 0) {
    return this.connection.send(numberedFrame(lane, number, bytes), undefined, lane);
  }

  /** The numbers heard of that lane, in the order they came. */
  of(lane: number): number[] {
    return this.heard.filter((heard) => heard.lane === lane).map(({ number }) => number);
  }
}

/** A message that says its lane, and its number as its sequence. */
export function numberedFrame(lane: number, number: number, bytes = 0): Uint8Array {
  const header = { kind: Kind.Message, flags: 0, channel: lane, type: 0, seq: number, ref: 0 };
  return encodeFrame(header, new Uint8Array(bytes));
}

export interface FramedPairOptions {
  readonly identity: { readonly certificate: string; readonly privateKey: string };
  readonly ca: string;
  /** Beside those that are built in. */
  readonly transports?: readonly Transport[] | undefined;
  readonly server?: Partial<TransportOptions>;
  readonly client?: Partial<TransportOptions>;
  /** The port by which the client reaches the listener. */
  readonly way?: (listener: SocketAddress) => Promise<number>;
}

/** The one end, whoever the other is. */
export async function connectFramed(
  t: TestContext,
  givenUrl: string,
  options: FramedPairOptions,
  port: number,
): Promise<FramedEnd> {
  const { url, transport, shared } = await readUrl(givenUrl, options.transports);
  const client = new FramedEnd();
  client.connection = await transport.connect(
    { ...shared, ...options.client, url: { ...url, port }, tls: { ca: options.ca }, signal: undefined },
    client.behaviour(),
  );
  t.after(() => client.connection.close({ graceful: false }));
  return client;
}

/** Both ends of a connection of the transport that a URL names. */
export async function openFramed(
  t: TestContext,
  givenUrl: string,
  options: FramedPairOptions,
): Promise<{ client: FramedEnd; server: FramedEnd }> {
  const { identity, way = async ({ port }) => port } = options;
  const { url, transport, shared } = await readUrl(givenUrl, options.transports);
  const server = new FramedEnd();
  const accepted = deferred();
  const listener = await transport.listen(
    { ...shared, ...options.server, url, tls: identity, http: undefined },
    server.behaviour(accepted.resolve),
  );
  t.after(() => listener.close());
  const client = await connectFramed(t, givenUrl, options, await way(listener.address));
  await accepted.promise;
  t.after(() => server.connection.close({ graceful: false }));
  return { client, server };
}

async function readUrl(given: string, transports?: readonly Transport[]) {
  const url = parseTransportUrl(given);
  const transport = await transportOf(url, transports);
  return {
    url,
    transport,
    shared: transportOptions(transport, readListenOptions({ highWaterMarkBytes: 1 << 24 }), streamFraming),
  };
}
