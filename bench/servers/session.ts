// Sessions through `millrace/server`. Arguments: the URL to listen on; how long a session waits to be resumed; for QUIC
// a certificate and its key. What a client asks for is in bench/session_wire.ts.
import { createServer, refuse } from "millrace/server";
import { token } from "../session_wire.js";
import { announce } from "./control.js";

const [url, resumeWindowMs, certificate, privateKey] = process.argv.slice(2);
const tls = certificate && privateKey ? { tls: { certificate, privateKey } } : {};
const server = await createServer(
  {
    ...{ listen: url!, ...tls, heartbeat: { intervalMs: 3_600_000 } },
    resumeWindowMs: Number(resumeWindowMs),
  },
  {
    authenticate: (hello) => (hello.tokenText === token ? undefined : refuse()),
    message(session, message) {
      session.send(message.payload);
    },
    requests: {
      echo: (_session, request) => request.payload,
      "echo.later": async (_session, request) => request.payload,
    },
  },
);
announce(Number(new URL(server.urls[0]!).port));
