// A session over a transport of one's own, in memory: it goes on over TCP when that is gone, as over any other.
import { once } from "node:events";
import { connect } from "millrace/client";
import { createServer } from "millrace/server";
import { MemoryTransport } from "./memory.js";

const transports = [new MemoryTransport()];
const server = await createServer(
  { listen: ["memory://room:1", "tcp://127.0.0.1:0"], transports },
  {
    message: (session, message) => session.send(`${message.text()}, over ${session.transport}`),
  },
);
const [inMemory = "", overTcp = ""] = server.urls;

const answers = new EventTarget();
const client = await connect(
  inMemory,
  { transports },
  {
    message: (_session, message) => {
      console.log(message.text());
      answers.dispatchEvent(new Event("answer"));
    },
  },
);
const first = once(answers, "answer");
client.send("hello");
await first;
const second = once(answers, "answer");
client.abandon();
client.send("still here");
await client.switchTo(overTcp);
await second;
await client.close();
await server.close();
