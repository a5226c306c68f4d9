/** Many connections with a stream each, of a process that is killed. */
import { connect } from "millrace/quic";

export interface VanishingTask {
  readonly port: number;
  readonly ca: string;
  readonly alpn: string;
  readonly connections: number;
}

const { port, ca, alpn, connections } = JSON.parse(process.argv[2]!) as VanishingTask;
await Promise.all(
  Array.from({ length: connections }, async () => {
    const connection = await connect(`quic://127.0.0.1:${port}`, { alpn: [alpn], tls: { ca } });
    const stream = await connection.openStream();
    stream.write(new Uint8Array(10_000));
  }),
);
process.send!("open");
