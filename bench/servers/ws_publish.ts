// A message goes to all in a loop over the clients of ws.
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { announce } from "./control.js";

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("connection", (socket) => {
  socket.on("message", (message: Buffer) => {
    for (const client of server.clients) client.send(message);
  });
});
server.on("listening", () => announce((server.address() as AddressInfo).port));
