import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { connect } from "millrace/client";
import { createServer, FailureCode, RequestFailure, type Server } from "millrace/server";
import { until } from "../kit/until.js";

const reconnect = { delayMs: 1, maxDelayMs: 1 };

/** A client that has subscribed to "news", and what it hears; each renewal has the next answer, and the rest are let in. */
async function subscribed(t: TestContext, ...answers: (() => boolean)[]) {
  const asked: string[] = [];
  const server = await createServer(
    { listen: "tcp://127.0.0.1:0", topics: { history: { news: { count: 10 } } } },
    {
      subscribe(session) {
        asked.push(session.id);
        return asked.length === 1 || (answers.shift()?.() ?? true);
      },
      error: () => {},
    },
  );
  t.after(() => server.close({ graceful: false }));
  const heard: string[] = [];
  const client = await connect(
    server.urls[0]!,
    { reconnect, requestRetryDelayMs: 1 },
    {
      publication: (_session, { text }) => void heard.push(text()),
      gap: (_session, { topic = "the session" }) => void heard.push(`gap of ${topic}`),
      error: (_session, cause) => void heard.push(cause instanceof RequestFailure ? `${cause.code}` : "?"),
    },
  );
  t.after(() => client.close({ graceful: false }));
  await client.subscribe("news");
  return { server, client, asked, heard };
}

/** The server has a fault, which ends the session: its client comes again, and has another. */
async function lose(server: Server, asked: readonly string[]): Promise<void> {
  const before = asked.length;
  const ended = await server.reauthorise(() => {
    throw new Error("the database is away");
  });
  assert.equal(ended, 1);
  await until("another session subscribes", () => asked.length > before);
}

const fails = (code: number, retryAfterMs?: number) => () => {
  throw new RequestFailure("not now", code, { retryAfterMs });
};

describe("a subscription whose session was lost", () => {
  test("is asked for again while the server cannot say, which is told once, and goes on where it was", async (t) => {
    const fault = () => {
      throw new Error("the database is away");
    };
    const { overloaded, internal, goingAway } = FailureCode;
    const { server, asked, heard } = await subscribed(
      t,
      ...[fails(overloaded), fails(overloaded), fault, fails(1_000, 1), fails(goingAway)],
    );
    server.publish("news", "one");
    await until("it is heard", () => heard.length === 1);
    const losing = lose(server, asked);
    server.publish("news", "two");
    await losing;
    await until("it goes on", () => heard.at(-1) === "two");
    assert.deepEqual(heard, [
      "one",
      "gap of the session",
      "gap of news",
      `${overloaded}`,
      `${internal}`,
      "1000",
      `${goingAway}`,
      "two",
    ]);
    assert.equal(asked.length, 7);
    assert.equal(new Set(asked).size, 2, "by one session, and the next");
  });

  test("is over, and a gap is told, where the server says no", async (t) => {
    const { server, asked, heard } = await subscribed(t, () => false);
    server.publish("news", "one");
    await until("it is heard", () => heard.length === 1);
    await lose(server, asked);
    await until("it is told", () => heard.length === 4);
    assert.deepEqual(heard, ["one", "gap of the session", "gap of news", `${FailureCode.forbidden}`]);
    assert.equal(asked.length, 2);
  });

  test("is not asked for again by a session that is lost as well, nor once nobody wants it any more", async (t) => {
    const always = Array.from({ length: 100 }, () => fails(FailureCode.overloaded, 1));
    const { server, client, asked, heard } = await subscribed(t, ...always);
    await lose(server, asked);
    const { id: second } = client;
    await lose(server, asked);
    await until(
      "the third session asks",
      () => client.id !== second && asked.filter((each) => each === client.id).length > 5,
    );
    const { id } = client;
    const places = asked.indexOf(id);
    assert.ok(asked.slice(places).every((each) => each === id));
    await client.unsubscribe("news");
    const before = asked.length;
    for (let i = 0; i < 10; i += 1) await client.ping();
    assert.ok(asked.length <= before + 1, "but what was on its way");
    assert.equal(heard.filter((each) => each === "gap of news").length, 2, "of each session");
  });

  test("is the application's, where that has asked for it anew meanwhile", async (t) => {
    const { server, client, asked, heard } = await subscribed(t, fails(FailureCode.overloaded, 200));
    server.publish("news", "one");
    await until("it is heard", () => heard.length === 1);
    await lose(server, asked);
    await until("the client is told to wait", () => heard.length === 4);
    await client.unsubscribe("news");
    server.publish("news", "to nobody");
    await client.subscribe("news");
    await until("the renewal is over", async () => {
      server.publish("news", "more");
      return heard.filter((each) => each === "more").length === 60; // each some milliseconds behind the other
    });
    assert.equal(asked.length, 3);
    assert.deepEqual(heard.slice(0, 5), [
      ...["one", "gap of the session", "gap of news", `${FailureCode.overloaded}`, "more"],
    ]);
    assert.ok(!heard.slice(4).some((each) => each !== "more"));
  });

  test("is asked for once however long its connection is away", async (t) => {
    const { server, client, asked, heard } = await subscribed(t);
    server.publish("news", "one");
    await until("it is heard", () => heard.length === 1);
    const { id } = client;
    await lose(server, asked);
    client.abandon();
    server.publish("news", "two");
    await until("it is heard", () => heard.at(-1) === "two");
    assert.deepEqual(heard, ["one", "gap of the session", "two"]);
    assert.notEqual(client.id, id);
    assert.equal(asked.length, 2);
  });
});
