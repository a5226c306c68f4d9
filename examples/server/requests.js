// Requests both ways: a result, a failure with its reason, or no answer in time; none of them is an exception.
import { connect } from "millrace/client";
import { createServer, RequestFailure } from "millrace/server";

const stock = new Map([["teapot", 3]]);
const server = await createServer(
  { listen: "tcp://127.0.0.1:0" },
  {
    requests: {
      "stock.count": (_session, request) => {
        const count = stock.get(request.text());
        if (count === undefined) throw new RequestFailure(`there is no ${request.text()}`, 1_404);
        return String(count);
      },
      // An asynchronous one is run by the dispatcher: within its limits, in order for each session, never for ever.
      "stock.order": async (_session, request) => {
        const { item, count } = request.json();
        await new Promise((resolve) => setImmediate(resolve));
        return JSON.stringify({ item, left: stock.get(item) - count });
      },
    },
  },
);

const client = await connect(
  server.urls[0],
  { clientId: "till" },
  { requests: { "till.cash": () => "41.50" } },
);

const show = (subject, reply) => {
  const text = reply.status === "success" ? reply.text() : (reply.reason ?? "");
  console.log(`${subject}: ${reply.status} ${text}`.trimEnd());
};
show("stock.count", await client.request("stock.count", "teapot"));
show("stock.count", await client.request("stock.count", "unicorn"));
show("stock.order", await client.request("stock.order", JSON.stringify({ item: "teapot", count: 2 })));
show("till.cash", await server.request({ clientId: "till" }, "till.cash"));
await client.close();
await server.close();
