// A client that begins handshakes and never answers, as one whose source address is forged.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import * as quic from "millrace/quic";
import { answerCalls } from "../kit/program.js";

interface Account {
  readonly sent: number;
  received: number;
}

const sockets: Socket[] = [];
const accounts: Account[] = [];

async function bind(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0);
  await once(socket, "listening");
  return socket;
}

/** The first datagrams of so many real handshakes. */
async function capture(count: number, options: quic.QuicConnectOptions): Promise<Uint8Array[]> {
  const server = await bind();
  const initials = new Map<number, Uint8Array>();
  server.on("message", (bytes, { port }) => {
    if (!initials.has(port)) initials.set(port, bytes);
  });
  const url = `quic://127.0.0.1:${server.address().port}`;
  while (initials.size < count) {
    const batch = Array.from({ length: Math.min(40, count - initials.size) }, () =>
      quic.connect(url, options),
    );
    await Promise.allSettled(batch);
  }
  server.close();
  return [...initials.values()].slice(0, count);
}

answerCalls({
  /** Sends each Initial from a socket of its own, and counts from then on what comes back. */
  async fire({ count, target, options }: FireOptions) {
    for (const initial of await capture(count, options)) {
      const socket = await bind();
      const account: Account = { sent: initial.length, received: 0 };
      socket.on("message", (bytes) => {
        account.received += bytes.length;
      });
      sockets.push(socket);
      accounts.push(account);
      socket.send(initial, target.port, target.address);
    }
  },
  accounts: () => accounts,
});

interface FireOptions {
  readonly count: number;
  readonly target: { readonly address: string; readonly port: number };
  readonly options: quic.QuicConnectOptions;
}
