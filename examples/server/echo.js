// One application on two transports; a client that loses its connection, goes on over another, and misses nothing.
import { connect } from "millrace/client";
import { createServer, refuse } from "millrace/server";

const server = await createServer(
  { listen: ["ws://127.0.0.1:0", "tcp://127.0.0.1:0"] },
  {
    authenticate: ({ clientId, tokenText }) => (tokenText === "sesame" ? { name: clientId } : refuse()),
    open: (session) => console.log(`${session.data.name} is here, over ${session.transport}`),
    message: (session, message) => session.send(message.payload),
    resumed: (session) => console.log(`${session.data.name} goes on, over ${session.transport}`),
  },
);

const [overWebSocket, overTcp] = server.urls;
const echoes = [];
let allCame;
const done = new Promise((resolve) => {
  allCame = resolve;
});
const client = await connect(
  overWebSocket,
  { clientId: "ada", token: "sesame" },
  {
    message: (_session, message) => {
      echoes.push(message.text());
      if (echoes.length === 4) allCame();
    },
  },
);
client.send("one");
client.send("two");
client.abandon(); // as when a network goes away
client.send("three"); // kept until there is a connection again
await client.switchTo(overTcp);
client.send("four");
await done;
console.log(echoes.join(", "));
await client.close();
await server.close();
