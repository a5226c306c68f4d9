// The floor for TCP in Node: node:net with a 32-bit length before each message, and the smallest handler that echoes.
import { createServer } from "node:net";
import { announce } from "./control.js";

const lengthBytes = 4;
const nothing = Buffer.alloc(0);

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer = nothing;
  socket.on("data", (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    socket.cork();
    while (at + lengthBytes <= bytes.length) {
      const end = at + lengthBytes + bytes.readUInt32LE(at);
      if (end > bytes.length) break;
      socket.write(bytes.subarray(at, end));
      at = end;
    }
    socket.uncork();
    rest = at === bytes.length ? nothing : bytes.subarray(at);
  });
  socket.on("error", () => {}); // a client that goes away
});
server.listen(0, "127.0.0.1", () => announce((server.address() as { port: number }).port));
