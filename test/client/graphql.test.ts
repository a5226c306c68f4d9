import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { buildSchema } from "graphql";
import { createClient, GRAPHQL_TRANSPORT_WS_PROTOCOL, makeServer } from "graphql-ws";
import {
  createWebSocketClass,
  decodeSocketClose,
  encodeSocketClose,
  type SocketClose,
  SocketMessage,
} from "millrace/client";
import { createServer, type Session } from "millrace/server";
import { authority, identity } from "../transport/suite/kit.js";

/** What graphql-ws has of a session. */
interface Conversation {
  hear(text: string): Promise<void>;
  end(code: number, reason: string): Promise<void>;
  why: SocketClose;
}

const schema = buildSchema(
  "type Query { hello(name: String!): String } type Subscription { count(to: Int!): Int }",
);
const roots = {
  query: { hello: ({ name }: { name: string }) => `hello, ${name}` },
  subscription: {
    async *count({ to }: { to: number }) {
      for (let i = 1; i <= to; i += 1) yield { count: i };
    },
  },
};

/** A server of graphql-ws, each of whose sockets is a session. */
async function serveGraphql(t: TestContext, listen: string): Promise<string> {
  const graphql = makeServer({ schema, roots });
  const conversations = new Map<string, Conversation>();
  const server = await createServer(
    { listen, tls: identity },
    {
      open(session: Session) {
        let hear!: Conversation["hear"];
        const end = graphql.opened(
          {
            protocol: GRAPHQL_TRANSPORT_WS_PROTOCOL,
            send: (text) => void session.send(text, { type: SocketMessage.text }),
            close: (code = 1_000, reason = "") =>
              void session.send(encodeSocketClose({ code, reason }), { type: SocketMessage.close }),
            onMessage: (listener) => {
              hear = listener;
            },
          },
          {},
        );
        conversations.set(session.id, { hear, end, why: { code: 1_006, reason: "" } });
      },
      async message(session, message) {
        const conversation = conversations.get(session.id)!;
        if (message.type === SocketMessage.text) await conversation.hear(message.text());
        if (message.type === SocketMessage.close) conversation.why = decodeSocketClose(message.payload);
      },
      async close(session) {
        const { end, why } = conversations.get(session.id)!;
        conversations.delete(session.id);
        await end(why.code, why.reason);
      },
    },
  );
  t.after(() => server.close({ graceful: false }));
  return server.urls[0]!;
}

describe("graphql-ws, which knows WebSockets alone, over sessions", () => {
  for (const [name, listen] of [
    ["QUIC", "quic://127.0.0.1:0"],
    ["a WebSocket", "ws://127.0.0.1:0"],
    ["TCP", "tcp://127.0.0.1:0"],
  ] as const) {
    test(`asks and subscribes over ${name}`, async (t) => {
      const tls = name === "a WebSocket" ? undefined : { ca: authority.certificate };
      const client = createClient({
        url: await serveGraphql(t, listen),
        webSocketImpl: createWebSocketClass({ tls }),
        retryAttempts: 0,
      });
      t.after(() => client.dispose());
      const answers = client.iterate({
        query: "query ($name: String!) { hello(name: $name) }",
        variables: { name: "mühle" },
      });
      assert.deepEqual((await answers.next()).value, { data: { hello: "hello, mühle" } });
      const counted: unknown[] = [];
      for await (const { data } of client.iterate({ query: "subscription { count(to: 100) }" })) {
        counted.push(data?.count);
      }
      assert.deepEqual(
        counted,
        Array.from({ length: 100 }, (_, index) => index + 1),
      );
    });

    test(`is closed by its server's own codes over ${name}`, async (t) => {
      const url = await serveGraphql(t, listen);
      const WebSocket = createWebSocketClass({
        tls: name === "a WebSocket" ? undefined : { ca: authority.certificate },
      });
      const socket = new WebSocket(url, GRAPHQL_TRANSPORT_WS_PROTOCOL);
      const closed = new Promise<{ code: number }>((resolve) => {
        socket.onclose = resolve;
      });
      socket.onopen = () => socket.send('{"type":"subscribe","id":"1","payload":{"query":"{ hello }"}}');
      assert.equal((await closed).code, 4_401); // before it has said connection_init
    });
  }
});
