// A codec of one's own under sessions: lines of words that somebody can type. What is typed here, `nc` can type as well.
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { createInterface } from "node:readline";
import { connect } from "millrace/client";
import { createServer } from "millrace/server";
import { wordsCodec } from "./words_codec.js";

const server = await createServer(
  { listen: "tcp://127.0.0.1:0", codecs: [wordsCodec] },
  {
    message: (session, message) => session.send(`${session.clientId} said: ${message.text()}`),
    requests: { shout: (_session, request) => request.text().toUpperCase() },
  },
);

// $ nc localhost PORT
const socket = connectSocket(server.addresses[0].port, "127.0.0.1");
socket.write("MILLRACE millrace-words/1\n"); // what it speaks; the server answers what it chose
socket.write("hello type=1 subject=ada\n"); // version 1 of sessions, and who it is
socket.write("commit\n"); // the welcome is accepted, whatever it says
socket.write("message :good morning\n");
for await (const line of createInterface(socket)) {
  console.log(line.replace(/ meta\.\S+/g, ""));
  if (line.startsWith("message")) break;
}
socket.destroy();

// A client of millrace's own has all that sessions have: requests, and here a connection that is cut off.
const heard = new EventTarget();
const client = await connect(
  server.urls[0],
  { clientId: "bob", codecs: [wordsCodec] },
  {
    message: (_session, message) => {
      console.log(message.text());
      heard.dispatchEvent(new Event("message"));
    },
  },
);
client.abandon();
const answered = once(heard, "message");
client.send("kept, and sent over the next connection");
await client.switchTo(server.urls[0]);
await answered;
const reply = await client.request("shout", "and a request\nof two lines");
console.log(new TextDecoder().decode(reply.payload));
await client.close();
await server.close();
