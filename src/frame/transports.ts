import { InvalidArgumentError, UnknownTransportError } from "../errors.js";
import type { TransportUrl } from "../transport/address.js";
import type { Transport, TransportOptions } from "../transport/transport.js";
import { hotHeadBytes } from "./codec.js";
import { streamFraming } from "./control.js";
import { type Codec, frameCodec, protocolOf } from "./message_codec.js";
import type { ResolvedMessageOptions } from "./options.js";

/** Each is loaded when it is first asked for: a program that speaks QUIC only never loads WebSocket. */
const builtIn: Readonly<Record<string, () => Promise<Transport>>> = {
  quic: async () => (await import("../quic/transport.js")).quicTransport,
  ws: loadWebSocket,
  wss: loadWebSocket,
  tcp: loadTcp,
  tls: loadTcp,
};

async function loadWebSocket(): Promise<Transport> {
  return (await import("../websocket/transport.js")).webSocketTransport;
}

async function loadTcp(): Promise<Transport> {
  return (await import("../tcp/transport.js")).tcpTransport;
}

/**
 * The transport for a URL's scheme.
 * @param added the application's own, asked first.
 * @throws UnknownTransportError
 */
export async function transportOf(url: TransportUrl, added: readonly Transport[] = []): Promise<Transport> {
  const own = added.find((transport) => transport.schemes.includes(url.scheme));
  if (own !== undefined) return own;
  const load = Object.hasOwn(builtIn, url.scheme) ? builtIn[url.scheme] : undefined;
  if (load !== undefined) return load();
  const known = [...Object.keys(builtIn), ...added.flatMap((transport) => transport.schemes)];
  throw new UnknownTransportError(`no transport for "${url.scheme}:"; there are ${known.join(", ")}`);
}

/** What a transport is told of the options that listening and connecting share. */
export function transportOptions(transport: Transport, options: ResolvedMessageOptions): TransportOptions {
  const { codecs = [frameCodec], maxMessageBytes } = options;
  return {
    highWaterMarkBytes: options.highWaterMarkBytes,
    idleTimeoutMs: options.idleTimeoutMs,
    frameTimeoutMs: options.frameTimeoutMs,
    handshakeTimeoutMs: options.handshakeTimeoutMs,
    maxFrameBytes: Math.max(...codecs.map((codec) => maxUnitBytes(codec, maxMessageBytes))),
    stream: streamFraming(codecs),
    protocols: options.protocols ?? codecs.map((codec) => protocolOf(codec, transport.name)),
  };
}

/** Of the largest unit, and of the frame that QUIC and TCP put around those of other codecs. */
function maxUnitBytes(codec: Codec, maxMessageBytes: number): number {
  const bytes = codec.maxUnitBytes(maxMessageBytes);
  if (Number.isSafeInteger(bytes) && bytes > 0) return codec === frameCodec ? bytes : bytes + hotHeadBytes;
  throw new InvalidArgumentError(`codec "${codec.name}" says that its largest unit has ${bytes} bytes`);
}
