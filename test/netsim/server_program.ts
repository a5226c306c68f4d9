// A server at one end of a network of namespaces.
import { createHash, type Hash } from "node:crypto";
import { listen as listenForMessages } from "millrace";
import * as quic from "millrace/quic";
import { answerCalls } from "../kit/program.js";

const changes: quic.PathChange[] = [];
const connections: quic.QuicConnection[] = [];
let listener: quic.QuicListener;

/** Answers each stream with the digest of what came. */
const digest: quic.QuicBehaviour = {
  open: (connection) => void connections.push(connection),
  stream: (stream) => {
    stream.data = createHash("sha256");
  },
  data: (stream, chunk) => void (stream.data as Hash).update(chunk),
  end(stream) {
    stream.write((stream.data as Hash).digest());
    stream.end();
  },
  pathChange: (_, change) => void changes.push(change),
};

answerCalls({
  async listen(options: quic.QuicListenOptions) {
    listener = await quic.listen(options, digest);
    return listener.address;
  },
  /** Answers each message with itself. */
  async listenForMessages({ url, tls }: { url: string; tls: quic.ServerTlsOptions }) {
    const echo = await listenForMessages(
      url,
      {
        message(connection, bytes) {
          if (connection.send(bytes) !== "sent") connection.pause();
        },
        drain: (connection) => connection.resume(),
      },
      { tls },
    );
    return echo.urls[0];
  },
  changes: () => changes,
  peers: () => connections.map(({ remoteAddress }) => remoteAddress),
  statistics: () => Promise.all(connections.map((connection) => connection.statistics())),
  counters: () => quic.quicCounters(),
  counts: () => ({ open: listener.connectionCount, refused: listener.refused }),
});
