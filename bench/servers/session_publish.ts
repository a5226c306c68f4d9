// A session's message is published to all sessions of one topic, through `millrace/server`.
import { createServer, refuse } from "millrace/server";
import { room, token } from "../session_wire.js";
import { announce } from "./control.js";

const server = await createServer(
  { listen: "ws://127.0.0.1:0", heartbeat: { intervalMs: 3_600_000 } },
  {
    authenticate: (hello) => (hello.tokenText === token ? undefined : refuse()),
    subscribe: () => true,
    message(_session, message) {
      server.publish(room, message.payload);
    },
  },
);
announce(Number(new URL(server.urls[0]!).port));
