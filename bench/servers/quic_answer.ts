// Does what bench/native/answer.h says, through millrace/quic: a stream's first eight bytes say how long an answer is
// wanted after its FIN; a datagram comes back as it is. Arguments: a certificate and its key.
import { listen, type QuicStream } from "millrace/quic";
import { AnswerHead, answerAlpn, answerStreams, answerWindowBytes } from "./answer.js";
import { announce } from "./control.js";

const [certificate, privateKey] = process.argv.slice(2);
const listener = await listen(
  {
    host: "127.0.0.1",
    port: 0,
    alpn: [answerAlpn],
    tls: { certificate: certificate!, privateKey: privateKey! },
    idleTimeoutMs: 0,
    peerBidiStreams: answerStreams,
    streamWindowBytes: answerWindowBytes,
  },
  {
    stream(stream) {
      stream.data = new AnswerHead();
    },
    data(stream, chunk) {
      headOf(stream).read(chunk);
    },
    end(stream) {
      stream.write(headOf(stream).answer);
      stream.end();
    },
    datagram(connection, datagram) {
      connection.sendDatagram(datagram);
    },
  },
);
announce(listener.address.port);

function headOf(stream: QuicStream): AnswerHead {
  return stream.data as AnswerHead;
}
