/** The application that tests run in several processes. */
import { threadId, workerData } from "node:worker_threads";
import { createServer, type ServerOptions } from "millrace/server";

/** What a test asks the application to be. */
export type AppData = Partial<ServerOptions> & Pick<ServerOptions, "listen">;

await createServer(workerData as AppData, {
  message: (session, message) => void session.send(message.payload),
  requests: {
    pid: () => String(process.pid),
    thread: () => String(threadId),
  },
});
