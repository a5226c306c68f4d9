// The application of `session_threads`, which each thread runs.
import { createHash } from "node:crypto";
import { createServer, refuse } from "millrace/server";
import { token } from "../session_wire.js";

const rounds = 8;

await createServer(
  { listen: "ws://127.0.0.1:0", heartbeat: { intervalMs: 3_600_000 } },
  {
    authenticate: (hello) => (hello.tokenText === token ? undefined : refuse()),
    requests: {
      echo: (_session, request) => request.payload,
      // What takes a thread's time: some ten microseconds of computing.
      "echo.work": (_session, request) => {
        for (let round = 0; round < rounds; round += 1) createHash("sha256").update(request.payload).digest();
        return request.payload;
      },
    },
  },
);
