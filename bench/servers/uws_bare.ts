// The floor for WebSocket in Node: uWebSockets.js with the smallest handler that echoes.
import { App, us_socket_local_port } from "uWebSockets.js";
import { announce } from "./control.js";

App()
  .ws("/*", {
    idleTimeout: 0,
    maxPayloadLength: 1024 * 1024,
    message(socket, message, isBinary) {
      socket.send(message, isBinary);
    },
  })
  .listen("127.0.0.1", 0, (listening) => {
    if (!listening) throw new Error("uWebSockets.js could not listen");
    announce(us_socket_local_port(listening));
  });
