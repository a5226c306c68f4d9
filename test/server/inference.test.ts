import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { access, jwt, logging, rateLimit, sharedSecret, validation } from "millrace/middleware";
import { createServer, type Middleware, type Plugin, type ServerOptions } from "millrace/server";

const listen = "tcp://127.0.0.1:0";

/** Never called: it is the compiler that looks at it. */
async function typed(jwtOptions: Parameters<typeof jwt>[0]): Promise<void> {
  const own: Middleware = { name: "own", incoming: (_session, _incoming, next) => next() };
  const plugin: Plugin = { name: "own" };
  const common: ServerOptions = { listen };
  const behaviour = () => ({ n: 1 });

  await createServer(
    { listen, middleware: [rateLimit({ messagesPerSecond: 5, exceeded: "drop" })] },
    {
      authenticate: behaviour,
      message: (session) => {
        const n: number = session.data.n;
        // @ts-expect-error: it has no such member, so it is not any
        return session.data.m + n;
      },
    },
  );
  await createServer(
    { listen, middleware: [logging({ logger: console.log }), access({ rules: {} })] },
    { authenticate: behaviour, open: (session) => session.data.n.toFixed() },
  );
  const server = await createServer(
    {
      ...{ ...common, plugins: [plugin] },
      middleware: [
        logging({ logger: console.log }),
        access({ rules: {} }),
        sharedSecret({ secret: () => undefined }),
        validation({}),
        await jwt(jwtOptions),
        own,
      ],
    },
    { authenticate: async () => ({ n: 1 }), open: (session) => session.data.n.toFixed() },
  );
  // @ts-expect-error: a number
  server.session("")?.data.n.length;

  await createServer<{ n: number }>(
    {
      listen,
      middleware: [
        {
          name: "inline",
          incoming: (session, _incoming, next) => {
            // @ts-expect-error: a number
            session.data.n.length;
            return next();
          },
        },
      ],
    },
    {},
  );
  const others: Middleware<{ text: string }> = {
    name: "others",
    connect: async () => ({ text: "" }),
  };
  // @ts-expect-error: it makes other data than the sessions have
  await createServer<{ n: number }>({ listen, middleware: [others] }, {});
}

describe("the type of a session's data", () => {
  test("is what authenticate returns, whatever middleware there is", () => {
    assert.equal(typeof typed, "function");
  });
});
