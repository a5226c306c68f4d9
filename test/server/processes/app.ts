/** The application that tests run in several processes. */
import { threadId, workerData } from "node:worker_threads";
import { createServer, type ServerOptions } from "millrace/server";

/** What a test asks the application to be. */
export type AppData = Partial<ServerOptions> & Pick<ServerOptions, "listen">;

await createServer(workerData as AppData, {
  message: (session, message) => {
    if (message.text() === "throw") throw Object.assign(new RangeError("as it was told"), { code: "E_TOLD" });
    if (message.text() === "throw an object") throw { nobody: "expects this" };
    if (message.text() === "exit") process.exit(7);
    session.send(message.payload);
  },
  requests: {
    pid: () => String(process.pid),
    thread: () => String(threadId),
  },
});
