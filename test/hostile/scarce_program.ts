import { closeSync, openSync } from "node:fs";
import { type Listener, listen } from "millrace";
import { answerCalls } from "../kit/program.js";

/** A server that echoes, in a process that may open few files. */
let listener: Listener | undefined;

answerCalls({
  async serve({ url, tls }: { url: string; tls: { certificate: string; privateKey: string } }) {
    const behaviour = {
      message: (connection, message) => void connection.send(message),
    } satisfies Parameters<typeof listen>[1];
    listener = await listen(url, behaviour, { tls, handshakeTimeoutMs: 120_000, idleTimeoutMs: 0 });
    return listener.urls[0];
  },
  mayOpenFile() {
    try {
      closeSync(openSync("/dev/null", "r"));
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== "EMFILE";
    }
  },
  connectionCount: () => listener?.connectionCount,
});
