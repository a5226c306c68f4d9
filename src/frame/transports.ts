import type { TransportUrl } from "../transport/address.js";
import type { Transport } from "../transport/transport.js";
import { type BuiltIn, chooseTransport } from "./transport_choice.js";

/** Each is loaded when it is first asked for: a program that speaks QUIC only never loads WebSocket. */
const builtIn: BuiltIn = {
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
 * The transport for a URL's scheme, in Node.js.
 * @param added the application's own, asked first.
 * @throws UnknownTransportError
 */
export function transportOf(url: TransportUrl, added: readonly Transport[] = []): Promise<Transport> {
  return chooseTransport(url, added, builtIn);
}
