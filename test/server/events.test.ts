import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InvalidArgumentError } from "millrace";
import { type ClientBehaviour, connect } from "millrace/client";
import { createServer, type EventMap, json, type Server, type ServerBehaviour } from "millrace/server";
import { Inbox } from "../kit/inbox.js";
import { sessionKit } from "./suite/kit.js";

interface Order {
  readonly item: string;
  readonly count: number;
}

/** What the shop and its tills say to each other. */
interface Shop extends EventMap {
  events: { "stock.changed": Order; "till.opened": undefined; "till.photo": Uint8Array; "till.says": string };
  commands: { "stock.order": Order; "till.close": undefined };
  queries: {
    "stock.count": { query: string; response: number };
    "till.cash": { response: { readonly euros: number } };
  };
}

interface Till {
  readonly name: string;
}

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });

describe("events, commands and queries", () => {
  test("go to the handlers of their subjects, as they were declared, both ways", async (t) => {
    const log = new Inbox<string>("an event");
    const ordered: Order[] = [];
    const server: Server<Till, Shop> = await createServer<Till, Shop>(
      { listen: "tcp://127.0.0.1:0" },
      {
        authenticate: () => ({ name: "first" }),
        message: (_session, { subject }) => log.put(`server: something of ${subject}`),
        events: {
          "till.opened": (session) => log.put(`server: ${session.data.name} is open`),
          "till.says": async (_session, message) => log.put(`server: ${message.subject}: ${message.text()}`),
          "till.photo": (_session, { payload }) => log.put(`server: a photo of ${payload.length} B`),
        },
        requests: {
          "stock.count": (_session, request) => json(request.text().length),
          "stock.order": (session, request) => {
            ordered.push(request.json());
            session.send(json(request.json()), { subject: "stock.changed" });
          },
        },
      },
    );
    t.after(() => server.close({ graceful: false }));
    const till = await connect<Shop>(
      server.urls[0]!,
      { clientId: "till" },
      {
        message: (_session, { subject }) => log.put(`till: something of ${subject}`),
        events: {
          "stock.changed": (_session, message) => {
            const { item, count }: Order = message.json();
            log.put(`till: ${count} of ${item}`);
          },
        },
        requests: { "till.cash": async () => json({ euros: 41 }), "till.close": () => {} },
      },
    );
    t.after(() => till.close({ graceful: false }));

    till.send("", { subject: "till.opened" });
    assert.equal(await log.take(), "server: first is open");
    till.send("hello", { subject: "till.says" });
    assert.equal(await log.take(), "server: till.says: hello");
    till.send(new Uint8Array(3), { subject: "till.photo" });
    assert.equal(await log.take(), "server: a photo of 3 B");
    till.send(json({ item: "cup", count: 1 }), { subject: "stock.changed" });
    assert.equal(await log.take(), "server: something of stock.changed");

    const counted = await till.request("stock.count", "teapot");
    const count: number | undefined = counted.status === "success" ? counted.json() : undefined;
    assert.equal(count, 6);
    const order = await till.request("stock.order", json({ item: "cup", count: 2 }));
    assert.ok(order.status === "success" && order.text() === "");
    assert.deepEqual(ordered, [{ item: "cup", count: 2 }]);
    assert.equal(await log.take(), "till: 2 of cup");

    const cash = await server.request({ clientId: "till" }, "till.cash");
    assert.equal(cash.status === "success" && cash.json().euros, 41);
    const closed = await server.request({ clientId: "till" }, "till.close");
    assert.equal(closed.status, "success");
    assert.equal(server.broadcast("all", { subject: "till.says" }), 1);
    assert.equal(await log.take(), "till: something of till.says");
    server.sendTo({ clientId: "till" }, json({ item: "pot", count: 0 }), { subject: "stock.changed" });
    assert.equal(await log.take(), "till: 0 of pot");
  });

  test("are checked by the compiler", () => {
    // Never called: it is the compiler that looks at it.
    const server: ServerBehaviour<Till, Shop> = {
      requests: {
        // @ts-expect-error: the response is a number
        "stock.count": () => json("three"),
        // @ts-expect-error: a command has no response
        "till.close": () => json(3),
        "stock.order": (session, request) => {
          const order = request.json();
          // @ts-expect-error: it has no such member
          order.price;
          // @ts-expect-error: an Order is asked for
          session.request("stock.order", json({ item: "cup" }));
          // @ts-expect-error: an Order is asked for, and not nothing
          session.request("stock.order");
          // @ts-expect-error: JSON is made by json()
          session.send('{"item":"cup","count":2}', { subject: "stock.changed" });
          // @ts-expect-error: every message has a subject of the map
          session.send(json(order));
          // @ts-expect-error: text is carried, and not JSON of something
          session.send(json({ a: 1 }), { subject: "till.says" });
          session.send(`${order.item}!`, { subject: "till.says" });
          // @ts-expect-error: the same of one that is acknowledged
          session.sendAcked(json({ a: 1 }), { subject: "till.says" });
          // @ts-expect-error: an Order is sent
          session.sendAcked("cup", { subject: "stock.changed" });
          session.sendAcked(json(order), { subject: "stock.changed", level: "received" });
          // @ts-expect-error: a query is no event
          session.send("teapot", { subject: "stock.count" });
        },
      },
      events: {
        // @ts-expect-error: nobody knows this subject
        "stock.chagned": () => {},
      },
    };
    const client: ClientBehaviour<Shop> = {
      events: {
        "stock.changed": (_session, message) => {
          // @ts-expect-error: it is a number
          message.json().count.toUpperCase();
        },
      },
      requests: {
        // @ts-expect-error: the response is an object
        "till.cash": () => json(41),
      },
    };
    const unknown: ServerBehaviour<Till, Shop> = {
      requests: {
        // @ts-expect-error: nobody knows this subject
        "stock.cuont": () => json(3),
      },
    };
    assert.ok(server.requests && client.events && unknown.requests);
  });

  test("are handlers, or no server and no session begins", async (t) => {
    const wrong = { events: { "stock.changed": 7 } } as unknown as ServerBehaviour;
    await assert.rejects(createServer({ listen: "tcp://127.0.0.1:0" }, wrong), (error) => {
      assert.ok(error instanceof InvalidArgumentError);
      assert.match(error.message, /behaviour.events\["stock.changed"\] must be a function, and not 7/);
      return true;
    });
    const server = await kit.serve(t, {});
    const list = { requests: 7 } as unknown as ClientBehaviour;
    await assert.rejects(kit.join(t, server, {}, list), /behaviour.requests must be an object of handlers/);
  });

  test("have no words for what JSON has none for", () => {
    assert.throws(() => json(undefined), TypeError);
    assert.equal(json({ a: [1, null] }), '{"a":[1,null]}');
  });
});
