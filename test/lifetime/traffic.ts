/** Traffic that never ends by itself: whatever carries it is cut off in the middle. */
import { connect, listen } from "millrace";
import * as quic from "millrace/quic";

/** What a side needs to listen and to connect. */
export interface Credentials {
  readonly certificate: string;
  readonly privateKey: string;
  readonly ca: string;
}

/** Where one side listens: framed and raw. */
export interface Endpoints {
  readonly url: string;
  readonly rawPort: number;
}

export interface TrafficListeners extends Endpoints {
  /** Open connections of both kinds. */
  connectionCount(): number;
  close(): Promise<void>;
}

export interface Traffic {
  /** Resolves when both connections have closed, however that came. */
  readonly ended: Promise<unknown>;
  close(): Promise<void>;
}

const rawAlpn = "millrace-traffic";
const message = new Uint8Array(600).fill(7);
const window = 16;

const rawEcho: quic.QuicBehaviour = {
  data: (stream, chunk) => {
    if (stream.writable) stream.write(chunk);
  },
};

/** Echoes messages and streams. */
export async function listenForTraffic(credentials: Credentials): Promise<TrafficListeners> {
  const { ca: _, ...tls } = credentials;
  const framed = await listen(
    "quic://127.0.0.1:0",
    {
      message: (connection, bytes) => {
        connection.send(bytes);
      },
    },
    { tls },
  );
  const raw = await quic.listen({ host: "127.0.0.1", port: 0, alpn: [rawAlpn], tls }, rawEcho);
  return {
    url: framed.urls[0]!,
    rawPort: raw.address.port,
    connectionCount: () => framed.connectionCount + raw.connectionCount,
    async close() {
      await Promise.all([framed.close({ graceful: false }), raw.close()]);
    },
  };
}

/**
 * Keeps a framed and a raw connection to `peer` busy in both directions.
 * @param flowing called once, when some of each has made the way forth and back.
 * @returns resolves when both are connected.
 */
export async function makeTraffic(peer: Endpoints, ca: string, flowing: () => void): Promise<Traffic> {
  let toFlow = 2;
  const counted = () => {
    let left = window;
    return () => {
      left -= 1;
      if (left !== 0) return;
      toFlow -= 1;
      if (toFlow === 0) flowing();
    };
  };
  const framedCame = counted();
  const framed = await connect(
    peer.url,
    {
      message: (connection) => {
        framedCame();
        connection.send(message);
      },
    },
    { tls: { ca } },
  );
  const rawCame = counted();
  const raw = await quic.connect(
    `quic://127.0.0.1:${peer.rawPort}`,
    { alpn: [rawAlpn], tls: { ca } },
    {
      data: (stream, chunk) => {
        for (let bytes = 0; bytes < chunk.length; bytes += message.length) rawCame();
        if (stream.writable) stream.write(chunk);
      },
    },
  );
  const stream = raw.openStream();
  for (let i = 0; i < window; i++) {
    framed.send(message);
    stream.write(message);
  }
  return {
    ended: Promise.all([framed.closed, raw.closed]),
    async close() {
      await Promise.all([framed, raw].map((connection) => connection.close({ graceful: false })));
    },
  };
}
