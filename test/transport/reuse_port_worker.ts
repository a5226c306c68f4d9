/** A thread that listens on a port that it shares, and tells of each connection. */
import { parentPort, workerData } from "node:worker_threads";
import { type ListenOptions, listen } from "millrace";

const { url, options } = workerData as { url: string; options: ListenOptions };

parentPort!.on("message", () => process.exit());

try {
  const listener = await listen(url, { open: () => parentPort!.postMessage("open") }, options);
  parentPort!.postMessage({ url: listener.urls[0] });
} catch (error) {
  parentPort!.postMessage({ code: (error as { code?: string }).code, message: String(error) });
}
