// A chat room: what is said goes to all who listen as the same bytes, and who comes late hears what was said before.
import { once } from "node:events";
import { connect } from "millrace/client";
import { createServer } from "millrace/server";

const server = await createServer(
  { listen: "ws://127.0.0.1:0", topics: { history: { "room.>": { count: 50 } } } },
  {
    subscribe: (_session, pattern) => pattern.startsWith("room."),
    requests: {
      say: (session, request) => {
        const { recipients } = server.publish("room.lobby", `${session.clientId}: ${request.text()}`);
        return String(recipients);
      },
    },
  },
);

const heard = new EventTarget();
async function enter(clientId) {
  const member = await connect(
    server.urls[0],
    { clientId },
    {
      publication: (_session, { topic, text }) => {
        console.log(`${clientId} hears in ${topic}: ${text()}`);
        heard.dispatchEvent(new Event(clientId));
      },
    },
  );
  await member.subscribe("room.lobby", { from: "oldest" });
  return member;
}

const ada = await enter("ada");
const first = once(heard, "ada");
await ada.request("say", "anybody here?");
await first;
const later = once(heard, "bob");
const bob = await enter("bob"); // hears what was said before
await later;
await ada.close();
await bob.close();
await server.close();
