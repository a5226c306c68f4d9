// Orders that are taken once and acknowledged when they are on disk, and a till that hears when somebody has seen them.
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "millrace/client";
import { createServer } from "millrace/server";

const folder = await mkdtemp(join(tmpdir(), "orders-"));
const path = join(folder, "orders.jsonl");
const file = await open(path, "a");

/** Survives a loss of power: each line is written through before it is acknowledged. */
const store = {
  durability: "power",
  async append({ clientId, payload }) {
    await file.write(`${JSON.stringify({ clientId, order: Buffer.from(payload).toString() })}\n`);
    await file.datasync();
  },
};

const kitchen = [];
const server = await createServer(
  { listen: "tcp://127.0.0.1:0", store },
  { message: (_session, message) => kitchen.push(message.copy()) },
);

const till = await connect(server.urls[0], { clientId: "till" });
const stored = await till.sendAcked("two teas", { level: "stored", messageId: "order 1" });
console.log(`stored: ${stored.status}`);
// Not sure whether it got through? The same id is the same order.
const again = await till.sendAcked("two teas", { level: "stored", messageId: "order 1" });
console.log(`again: ${again.status}; the kitchen has ${kitchen.length}`);
const other = await till.sendAcked("three teas", { level: "stored", messageId: "order 1" });
console.log(`another under its id: ${other.status}, ${other.reason}`);

const seen = till.sendAcked("one coffee", { level: "read", messageId: "order 2" });
while (kitchen.length < 2) await new Promise((resolve) => setImmediate(resolve));
for (const order of kitchen) order.confirm("read");
const { level } = await seen;
console.log(`order 2: ${level}`);

await till.close();
await server.close();
await file.close();
console.log((await readFile(path, "utf8")).trim().split("\n").length, "on disk");
await rm(folder, { recursive: true });
