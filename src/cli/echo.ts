import { Command } from "commander";
import { formatAddress } from "../index.js";
import { listen as listenQuic, type QuicListener } from "../quic/index.js";
import type { TransportListener } from "../transport/transport.js";
import { listen as listenWebSocket } from "../websocket/index.js";
import { type HostPort, parseHostPort, urlHost } from "./argument.js";
import { EchoConnections } from "./echo_connections.js";
import { QuicEcho } from "./echo_quic.js";
import { WebSocketEcho } from "./echo_websocket.js";
import { type CertificateOptions, serverIdentity, withCertificateOptions } from "./identity.js";
import { printJson } from "./terminal.js";
import { untilSignal } from "./until_signal.js";

interface EchoOptions extends CertificateOptions {
  readonly quic?: HostPort;
  readonly ws?: HostPort;
  readonly alpn: string;
  readonly log?: boolean;
}

const maxMessageBytes = 16 * 1024 * 1024;

/** `millrace echo`: raw bytes back, for other people's clients. */
export function echoCommand(): Command {
  const command = new Command("echo")
    .description("send everything back as it came, without framing: a target for other programs' clients")
    .option("--quic <host:port>", "listen for QUIC here", parseHostPort)
    .option("--ws <host:port>", "listen for WebSocket here", parseHostPort)
    .option("--alpn <name>", "the ALPN name of QUIC", "millrace-echo")
    .option("--log", "print a line of JSON for each connection opened and closed");
  return withCertificateOptions(command).action(async (options: EchoOptions) => {
    if (!options.quic && !options.ws) command.error("error: give --quic, --ws, or both");
    await echo(options, command);
  });
}

async function echo(options: EchoOptions, command: Command): Promise<void> {
  const stopping = untilSignal();
  const connections = new EchoConnections(options.log === true);
  const ready: Record<string, unknown> = {};
  const listeners: (QuicListener | TransportListener)[] = [];
  try {
    if (options.quic) {
      const { tls, development } = await serverIdentity(options, command);
      const { alpn } = options;
      const listener = await listenQuic({ ...options.quic, alpn: [alpn], tls }, new QuicEcho(connections));
      listeners.push(listener);
      ready.quic = formatAddress(listener.address);
      ready.alpn = alpn;
      ready.certificate = { path: tls.certificate, sha256: development?.sha256, development: !!development };
    }
    if (options.ws) {
      // Of the two libraries only this one makes a peer wait that reads late; the other has to close it.
      process.env.MILLRACE_WEBSOCKET ??= "ws";
      const url = `ws://${urlHost(options.ws.host)}:${options.ws.port}/`;
      const listener = await listenWebSocket(url, new WebSocketEcho(connections), {
        maxFrameBytes: maxMessageBytes,
      });
      listeners.push(listener);
      ready.ws = `ws://${formatAddress(listener.address)}/`;
    }
    printJson(ready);
    await stopping;
  } finally {
    await Promise.all(listeners.map((listener) => listener.close()));
    await connections.closeAll();
  }
}
