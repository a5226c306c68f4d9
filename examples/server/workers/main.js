// One server in two threads: its clients reach each other in whichever they are, and this thread reaches all of them.
import { connect } from "millrace/client";
import { startWorkers } from "millrace/server";

const group = await startWorkers(
  { module: new URL("./app.js", import.meta.url), workers: 2 },
  { workerExit: ({ id }, cause) => console.error(`worker ${id} has ended`, cause) },
);

const heard = { ada: [], bob: [] };
let allCame;
const done = new Promise((resolve) => {
  allCame = resolve;
});

async function enter(clientId) {
  const message = (_session, message) => {
    heard[clientId].push(message.text());
    if (heard.ada.length === 1 && heard.bob.length === 2) allCame();
  };
  const client = await connect(group.urls[0], { clientId }, { message });
  return { client, thread: await ask(client, "thread") };
}

async function ask(client, subject, question = {}) {
  const reply = await client.request(subject, JSON.stringify(question));
  return new TextDecoder().decode(reply.payload);
}

const ada = await enter("ada");
let bob = await enter("bob"); // in which thread, the operating system decides
while (bob.thread === ada.thread) {
  await bob.client.close();
  bob = await enter("bob");
}

console.log(await ask(ada.client, "tell", { to: "bob", text: "good morning" }));
console.log(`to ${group.broadcast("closing time")} sessions`);
await done;
console.log(`ada hears: ${heard.ada.join(", ")}`);
console.log(`bob hears: ${heard.bob.sort().join(", ")}`); // what comes from two threads comes in any order
const { sessions } = await group.list();
console.log(
  `here: ${sessions
    .map(({ clientId }) => clientId)
    .sort()
    .join(" and ")}`,
);

await ada.client.close();
await bob.client.close();
await group.close();
