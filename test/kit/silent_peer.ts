import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

/** A bound loopback port that takes what comes and never answers. */
export interface SilentPeer {
  readonly port: number;
  close(): Promise<void>;
}

export async function silentUdp(): Promise<SilentPeer> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    port: socket.address().port,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

export async function silentTcp(): Promise<SilentPeer> {
  const accepted = new Set<Socket>();
  const server = createServer((socket) => accepted.add(socket.on("error", () => {})));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      for (const socket of accepted) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
