// One application in two processes: a client that comes to another than its session's is sent there, and misses nothing.
import { connect } from "millrace/client";
import { startProcesses } from "millrace/server";

const group = await startProcesses({ module: new URL("./app.js", import.meta.url), processes: 2 });
const [first, second] = group.processes;

const client = await connect(first.urls[0]);
console.log(`begins in process ${await where()}`);
const answer = client.request("slow");
client.abandon(); // as when a network goes away
const isTheSame = await client.switchTo(second.urls[0]);
console.log(`${isTheSame ? "goes on" : "begins anew"} in process ${await where()}`);
console.log(`and is told: ${textOf(await answer)}`);

await client.close();
await group.close();

async function where() {
  const pid = Number(textOf(await client.request("pid")));
  return group.processes.find((process) => process.pid === pid).node;
}

function textOf(reply) {
  return new TextDecoder().decode(reply.payload);
}
