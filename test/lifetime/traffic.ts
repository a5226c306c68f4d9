/** Traffic that never ends by itself: whatever carries it is cut off in the middle. */
import { connect, listen, MillraceError } from "millrace";
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

/** Echoes chunks of an iterated stream by publishing them to it, until it or its connection ends. */
async function iterate(stream: quic.QuicStream, came = () => {}): Promise<void> {
  try {
    for await (const chunks of stream) {
      came();
      for (const chunk of chunks) if (stream.writable) quic.publish([stream], chunk);
    }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error; // cut off in the middle
  }
}

/** Datagrams and statistics that follow each other: as one has ended, the next begins. */
const endless = {
  datagramOutcome(connection: quic.QuicConnection, tag: number, outcome: quic.OutcomeOfDatagram) {
    if (outcome === "sent" || connection.state !== "open") return;
    connection.sendDatagram(message, { tag: tag + 1 });
    quic.publishDatagram([connection], message);
    connection.statistics().catch((error: unknown) => {
      if (!(error instanceof MillraceError)) throw error;
    });
  },
} satisfies quic.QuicBehaviour;

const rawEcho: quic.QuicBehaviour = {
  ...endless,
  open(connection) {
    connection.sendDatagram(message, { tag: 1 });
    const both = connection.openStream();
    const away = connection.openStream({ direction: "unidirectional" });
    both.data = away;
    for (const stream of [both, away]) stream.write(message);
  },
  stream(stream) {
    const { connection } = stream;
    connection.data = Number(connection.data ?? 0) + 1;
    if (connection.data === 2) void iterate(stream); // the client's second
  },
  data: (stream, chunk) => {
    const away = stream.data as quic.QuicStream | undefined;
    for (const each of [stream, away]) if (each?.writable) each.write(chunk);
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
  let toFlow = 6;
  const counted = (times = window) => {
    let left = times;
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
  const servedCame = counted();
  const awayCame = counted();
  const outcomeCame = counted(2);
  const raw = await quic.connect(
    `quic://127.0.0.1:${peer.rawPort}`,
    { alpn: [rawAlpn], tls: { ca } },
    {
      datagramOutcome(connection, tag, outcome) {
        outcomeCame();
        endless.datagramOutcome(connection, tag, outcome);
      },
      data: (stream, chunk) => {
        const served = stream.direction === "bidirectional" ? servedCame : awayCame;
        const came = stream.initiator === "local" ? rawCame : served;
        for (let bytes = 0; bytes < chunk.length; bytes += message.length) came();
        if (stream.writable) stream.write(chunk);
      },
    },
  );
  const stream = raw.openStream();
  for (let i = 0; i < window; i++) {
    framed.send(message);
    stream.write(message);
  }
  const iterated = raw.openStream();
  void iterate(iterated, counted(4));
  quic.publish([iterated], message);
  raw.sendDatagram(message, { tag: 1 });
  return {
    ended: Promise.all([framed.closed, raw.closed]),
    async close() {
      await Promise.all([framed, raw].map((connection) => connection.close({ graceful: false })));
    },
  };
}
