// Requests that are functions: one contract says what each asks and what it is answered with. The client checks both, and
// so does the server what it is asked.
import { connect } from "millrace/client";
import { validation } from "millrace/middleware";
import { createServer, json, RequestFailure } from "millrace/server";
import * as v from "valibot";

/** What a till may ask of the shop, by subject. Both sides import it. */
const shop = {
  "stock.count": { asks: v.object({ item: v.string() }), answers: v.number() },
  "stock.order": {
    asks: v.object({ item: v.string(), count: v.pipe(v.number(), v.integer(), v.minValue(1)) }),
    answers: v.object({ item: v.string(), left: v.number() }),
  },
  "stock.price": { asks: v.object({ item: v.string() }), answers: v.pipe(v.number(), v.minValue(0)) },
};

/**
 * What a request asks, once it is checked.
 * @template {keyof typeof shop} Subject
 * @typedef {v.InferOutput<(typeof shop)[Subject]["asks"]>} Asked
 */

/**
 * The requests of a contract as functions of a session.
 * @template {Record<string, { asks: v.GenericSchema, answers: v.GenericSchema }>} Contract
 * @param {import("millrace/client").ClientSession} session
 * @param {Contract} contract
 * @returns {{ [Subject in keyof Contract]:
 *   (asked: v.InferInput<Contract[Subject]["asks"]>) => Promise<v.InferOutput<Contract[Subject]["answers"]>> }}
 */
function requestsOf(session, contract) {
  const functions = Object.entries(contract).map(([subject, { asks, answers }]) => {
    const ask = async (/** @type {unknown} */ asked) => {
      const reply = await session.request(subject, json(v.parse(asks, asked)));
      if (reply.status === "success") return v.parse(answers, reply.json());
      throw new Error(reply.status === "failure" ? reply.reason : "no answer in time");
    };
    return [subject, ask];
  });
  return /** @type {any} */ (Object.fromEntries(functions));
}

const stock = new Map([["teapot", 3]]);
const asked = validation({
  requests: Object.fromEntries(Object.entries(shop).map(([subject, { asks }]) => [subject, asks])),
});
const server = await createServer(
  { listen: "tcp://127.0.0.1:0", middleware: [asked] },
  {
    requests: {
      "stock.count": (_session, request) => {
        const { item } = /** @type {Asked<"stock.count">} */ (asked.value(request));
        return json(stock.get(item) ?? 0);
      },
      "stock.order": (_session, request) => {
        const { item, count } = /** @type {Asked<"stock.order">} */ (asked.value(request));
        const left = (stock.get(item) ?? 0) - count;
        if (left < 0) throw new RequestFailure(`there are not ${count} of ${item}`);
        stock.set(item, left);
        return json({ item, left });
      },
      "stock.price": () => json("ask the manager"), // which is not what was agreed
    },
  },
);

const session = await connect(server.urls, { clientId: "till" });
const till = requestsOf(session, shop);
const show = async (/** @type {string} */ what, /** @type {Promise<unknown>} */ answer) =>
  console.log(`${what}: ${await answer.then(JSON.stringify, (cause) => cause.message)}`);

await show("how many", till["stock.count"]({ item: "teapot" }));
await show("two of them", till["stock.order"]({ item: "teapot", count: 2 }));
await show("two more", till["stock.order"]({ item: "teapot", count: 2 }));
await show("half a one", till["stock.order"]({ item: "teapot", count: 0.5 }));
await show("what it costs", till["stock.price"]({ item: "teapot" }));
await session.close();
await server.close();
