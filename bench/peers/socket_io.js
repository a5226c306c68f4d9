// Socket.IO over WebSocket alone, with the smallest handlers. Bytes would be two messages each: text is its best case.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { announce } from "../../out/bench/servers/control.js";

const token = "sesame";
const http = createServer();
const server = new Server(http, {
  transports: ["websocket"],
  serveClient: false,
  perMessageDeflate: false,
  pingInterval: 3_600_000,
});
server.use((socket, next) => {
  next(socket.handshake.auth.token === token ? undefined : new Error("refused"));
});
server.on("connection", (socket) => {
  socket.on("m", (text) => socket.emit("m", text));
  socket.on("ask", (text, answer) => answer(text));
  socket.on("ask.later", async (text, answer) => answer(text));
  socket.on("join", (answer) => {
    socket.join("room");
    answer();
  });
  socket.on("say", (text) => server.to("room").emit("m", text));
});
http.listen(0, "127.0.0.1", () => announce(http.address().port));
