import { after } from "node:test";
import type { Transport } from "millrace";
import { describeSessions } from "./suite.js";

const example = new URL("../../../examples/transport/memory.js", import.meta.url);
const { MemoryTransport } = (await import(example.href)) as { MemoryTransport: new () => Transport };

// Nothing in memory keeps a process alive.
const alive = setInterval(() => {}, 1_000);
after(() => clearInterval(alive));

describeSessions("a transport in memory", {
  url: "memory://127.0.0.1:0",
  transports: [new MemoryTransport()],
});
