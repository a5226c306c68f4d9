// Typed requests and events: the compiler holds server and client to what each subject carries. Here by JSDoc, so that
// this runs as it is; in TypeScript it is `createServer<Data, Shop>` and `connect<Shop>`.
import { connect } from "millrace/client";
import { createServer, json, RequestFailure } from "millrace/server";

/**
 * @typedef {object} Shop What a shop and its tills say to each other.
 * @property {{ "stock.changed": { item: string, left: number } }} events
 * @property {{ "stock.take": { item: string, count: number } }} commands
 * @property {{ "stock.count": { query: string, response: number } }} queries
 */

const stock = new Map([["teapot", 3]]);

/** @type {import("millrace/server").ServerBehaviour<unknown, Shop>} */
const shop = {
  requests: {
    "stock.count": (_session, request) => json(stock.get(request.text()) ?? 0),
    "stock.take": (session, request) => {
      const { item, count } = request.json();
      const left = (stock.get(item) ?? 0) - count;
      if (left < 0) throw new RequestFailure(`there are not ${count} of ${item}`, 1_409);
      stock.set(item, left);
      session.send(json({ item, left }), { subject: "stock.changed" });
    },
  },
};

/** @type {import("millrace/client").ClientBehaviour<Shop>} */
const till = {
  events: {
    "stock.changed": (_session, message) => {
      const { item, left } = message.json();
      console.log(`${item}: ${left} left`);
    },
  },
};

const server = await createServer({ listen: "tcp://127.0.0.1:0" }, shop);
const [url = ""] = server.urls;
const client = await connect(url, {}, till);
const counted = await client.request("stock.count", "teapot");
if (counted.status === "success") console.log(`there are ${counted.json()}`);
for (const count of [2, 2]) {
  const taken = await client.request("stock.take", json({ item: "teapot", count }));
  console.log(taken.status === "failure" ? taken.reason : taken.status);
}
await client.close();
await server.close();
