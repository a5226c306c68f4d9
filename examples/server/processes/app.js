// The application: each process runs it.
import { setTimeout as delay } from "node:timers/promises";
import { createServer } from "millrace/server";

await createServer(
  { listen: "ws://127.0.0.1:0" },
  {
    requests: {
      pid: () => String(process.pid),
      slow: async () => {
        await delay(200);
        return "it is done";
      },
    },
  },
);
