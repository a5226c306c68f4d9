// The usual WebSocket server in Node, with the smallest handler that echoes.
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { announce } from "./control.js";

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("connection", (socket) => {
  socket.on("message", (message: Buffer) => socket.send(message));
});
server.on("listening", () => announce((server.address() as AddressInfo).port));
