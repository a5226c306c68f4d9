// A message goes to all by the topics of uWebSockets.js.
import { App, us_socket_local_port } from "uWebSockets.js";
import { room } from "../session_wire.js";
import { announce } from "./control.js";

const app = App();
app
  .ws("/*", {
    idleTimeout: 0,
    maxPayloadLength: 1024 * 1024,
    open(socket) {
      socket.subscribe(room);
    },
    message(_socket, message, isBinary) {
      app.publish(room, message, isBinary);
    },
  })
  .listen("127.0.0.1", 0, (listening) => {
    if (!listening) throw new Error("uWebSockets.js could not listen");
    announce(us_socket_local_port(listening));
  });
