// A device that roams: its readings go over QUIC, over a WebSocket where UDP is blocked, and over QUIC again when it is
// not; each comes once, and in order.
import { once } from "node:events";
import { connect } from "millrace/client";
import { createServer } from "millrace/server";
import { Authority, createRelay } from "millrace/testing";

const authority = await Authority.make();
/** @type {string[]} */
const readings = [];
const server = await createServer(
  { listen: ["quic://127.0.0.1:0", "wss://127.0.0.1:0"], tls: await authority.issue() },
  { message: (_session, message) => void readings.push(message.text()) },
);
const [quic = "", wss = ""] = server.urls;
// The network that the device is in.
const network = await createRelay({ target: { address: "127.0.0.1", port: Number(new URL(quic).port) } });

const moves = new EventTarget();
const device = await connect(
  [`quic://127.0.0.1:${network.address.port}`, wss],
  {
    clientId: "thermometer",
    tls: { ca: authority.certificate },
    // Far less patience than a device should have, so that this ends soon.
    autoSwitch: { stallMs: 300, upgradeAfterMs: 300, avoidMs: 1 },
  },
  {
    switched: (_session, from, to) => {
      console.log(`from ${from.transport} to ${to.transport}`);
      moves.dispatchEvent(new Event(to.transport));
    },
  },
);
console.log(`begins over ${device.transport}`);

let count = 1;
await device.sendAcked("reading 1");
const measuring = setInterval(() => {
  count += 1;
  device.send(`reading ${count}`);
}, 10);

const away = once(moves, "websocket");
network.block();
await away;
const back = once(moves, "quic");
network.unblock();
await back;

clearInterval(measuring);
await device.sendAcked("the last"); // all before it have come, too
const isWhole = readings.every(
  (reading, index) => reading === `reading ${index + 1}` || reading === "the last",
);
console.log(isWhole && readings.length === count + 1 ? "every reading came once, in order" : readings.join());
await device.close();
await server.close();
await network.close();
