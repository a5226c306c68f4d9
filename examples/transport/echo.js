// A server on TCP and in memory at the same time, and a client that takes the shorter way.
import { connect, listen } from "millrace";
import { MemoryTransport } from "./memory.js";

const transports = [new MemoryTransport()];

const listener = await listen(
  ["tcp://127.0.0.1:0", "memory://echo:7"],
  { message: (connection, message) => connection.send(message) },
  { transports },
);

const client = await connect("memory://echo:7", {}, { transports });
client.send(new TextEncoder().encode("hello, memory"));
for await (const message of client) {
  console.log(`echo over ${client.transport}: ${new TextDecoder().decode(message)}`);
  break;
}
await client.close();
await listener.close();
