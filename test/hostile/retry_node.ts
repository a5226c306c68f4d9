/** A server of a fleet: it shares the key of Retry tokens, or not, and tells its port. */
import { configureEngine, listen, type ServerTlsOptions } from "millrace/quic";

export interface NodeTask {
  readonly key: readonly number[];
  readonly rotationMs: number;
  readonly tls: ServerTlsOptions;
  readonly alpn: string;
}

const { key, rotationMs, tls, alpn } = JSON.parse(process.argv[2]!) as NodeTask;
await configureEngine({ retry: "always", retryTokens: { key: Uint8Array.from(key), rotationMs } });
const listener = await listen({ host: "127.0.0.1", port: 0, alpn: [alpn], tls }, {});
process.send!(listener.address.port);
