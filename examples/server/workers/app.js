// The application: each thread runs it, and `node app.js` runs it alone, in one.
import { threadId } from "node:worker_threads";
import { createServer } from "millrace/server";

const server = await createServer(
  { listen: "ws://127.0.0.1:0" },
  {
    requests: {
      thread: () => String(threadId),
      // Whoever it is for may be in another thread.
      tell: (session, request) => {
        const { to, text } = request.json();
        return server.sendTo({ clientId: to }, `${session.clientId} says: ${text}`);
      },
    },
  },
);
