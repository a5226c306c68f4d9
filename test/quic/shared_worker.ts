/** Joins a shared listener, and tells of every connection that it gets. */
import { parentPort, workerData } from "node:worker_threads";
import { listen } from "millrace/quic";

export interface SharedTask {
  readonly port: number;
  readonly alpn: string;
  readonly certificate: string;
  readonly privateKey: string;
}

const { port, alpn, certificate, privateKey } = workerData as SharedTask;
await listen(
  { host: "127.0.0.1", port, alpn: [alpn], tls: { certificate, privateKey }, shared: true },
  { open: () => parentPort!.postMessage("open") },
);
parentPort!.postMessage("listening");
