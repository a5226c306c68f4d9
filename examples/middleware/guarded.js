// A server whose middleware asks who is there, what they may do, and whether what they send is what it should be.
import { connect } from "millrace/client";
import { access, logging, rateLimit, sharedSecret, validation } from "millrace/middleware";
import { createServer } from "millrace/server";
import * as v from "valibot";

const secrets = new Map([["ada", "correct horse"]]);
const order = v.object({ item: v.string(), count: v.optional(v.number(), 1) });
const orders = validation({ requests: { "orders.place": order } });

const server = await createServer(
  {
    listen: "tcp://127.0.0.1:0",
    middleware: [
      // The outermost first: it logs what those after it refuse.
      logging({
        logger: (level, event, { clientId, reason }) => {
          if (event !== "closed")
            console.log(`${level}: ${event} ${clientId}${reason ? ` (${reason})` : ""}`);
        },
      }),
      sharedSecret({ secret: (account) => secrets.get(account) }),
      rateLimit({ messagesPerSecond: 10, messagesBurst: 20, exceeded: "delay" }),
      access({ rules: { request: { allow: ["orders.>"], deny: ["orders.delete"] } } }),
      orders,
    ],
  },
  {
    requests: {
      "orders.place": (session, request) => {
        const { item, count } = orders.value(request);
        return `${count} ${item} for ${session.clientId}`;
      },
      "orders.delete": () => "never reached",
    },
  },
);

const [url] = server.urls;
await connect(url, { clientId: "eve", token: "guess" }).catch((error) => console.log(error.code));
const client = await connect(url, { clientId: "ada", token: "correct horse" });
for (const [subject, payload] of [
  ["orders.place", '{"item":"teapot"}'],
  ["orders.place", '{"item":7}'],
  ["orders.delete", "{}"],
]) {
  const reply = await client.request(subject, payload);
  const text = reply.status === "success" ? new TextDecoder().decode(reply.payload) : reply.reason;
  console.log(`${subject}: ${reply.status}: ${text}`);
}
await client.close();
await server.close();
