// 0-RTT for sessions: a client that was here before asks with its first packets, and is answered in the same round trip.
import { connect } from "millrace/client";
import { createServer } from "millrace/server";
import { Authority } from "millrace/testing";

const authority = await Authority.make();
const server = await createServer(
  { listen: "quic://localhost:0", tls: await authority.issue(), earlyData: true },
  {
    // Asked at once. One that uses something up, as a token for one use, first awaits context.confirmed.
    authenticate: ({ clientId }) => ({ name: clientId }),
    // What does no harm when it is done twice, for clients that have no session yet.
    earlyRequests: { price: (client, request) => `41.50 for ${client.data.name}'s ${request.text()}, early` },
    earlyEvents: {
      looking: (client, message) => console.log(`${client.data.name} looks at ${message.text()}, early`),
    },
    // For those who come without a ticket, and later.
    events: { looking: (session, message) => console.log(`${session.data.name} looks at ${message.text()}`) },
    requests: { price: (session, request) => `41.50 for ${session.data.name}'s ${request.text()}` },
  },
);

// Each connection brings a ticket for the next. They are kept in memory, unless told otherwise, as here.
let kept;
let earned;
const ticket = new Promise((resolve) => {
  earned = resolve;
});
const store = {
  get: () => kept,
  delete: () => {
    kept = undefined;
  },
  set: (_server, given) => {
    kept = given;
    earned();
  },
};

async function visit(item) {
  let answer;
  const session = await connect(
    server.urls[0],
    { clientId: "ada", tls: { ca: authority.certificate }, earlyData: { store } },
    {
      // Before there is a connection.
      connecting: (session) => {
        session.send(item, { subject: "looking", idempotent: true });
        answer = session.request("price", item, { idempotent: true });
      },
      connected: (_session, { earlyDataAccepted = "none sent" }) =>
        console.log(`connected; early data accepted: ${earlyDataAccepted}`),
    },
  );
  console.log((await answer).text());
  return session;
}

const first = await visit("tea");
await ticket;
await first.close();
const second = await visit("milk");
await second.close();
await server.close();
