import assert from "node:assert/strict";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { frameCodec, jsonCodec } from "millrace";
import { refuse, type Session } from "millrace/server";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { sessionKit } from "./suite/kit.js";

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });
const codecs = [frameCodec, jsonCodec];

/** What is looked at of a line. */
interface Line {
  readonly type?: unknown;
  readonly text?: unknown;
}

/** What somebody types who has nothing but `nc`. */
async function typed(port: number, lines: readonly object[]) {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  const answers: Line[] = [];
  for (const line of lines) socket.write(`${JSON.stringify(line)}\n`);
  for await (const line of createInterface(socket)) {
    const answer = JSON.parse(line) as Line;
    answers.push(answer);
    if (answer.type === "message" || answer.type === "reject") break;
  }
  socket.destroy();
  return answers;
}

describe("a session of lines that somebody types", () => {
  test("begins with a hello and a commit, and has messages that need no sequence", async (t) => {
    const opened = deferred<Session>();
    const server = await kit.serve(
      t,
      {
        authenticate: ({ tokenText }) => (tokenText === "sesame" ? {} : refuse()),
        open: (session) => opened.resolve(session),
        message: (session, message) => session.send(`you said ${message.text()}`),
      },
      { codecs },
    );
    const { port } = server.addresses[0]!;
    const answers = await typed(port, [
      { type: "hello", messageType: 1, subject: "ali", text: "sesame" },
      { type: "commit" },
      { type: "message", text: "hello" },
    ]);
    assert.deepEqual(
      answers.map(({ type, text }) => [type, text]),
      [
        ["welcome", undefined],
        ["message", "you said hello"],
      ],
    );
    assert.equal((await opened.promise).clientId, "ali");
    const [refused] = await typed(port, [{ type: "hello", messageType: 1, text: "guess" }]);
    assert.equal(refused!.type, "reject");
  });

  test("is resumed as any other", async (t) => {
    const server = await kit.serve(
      t,
      { message: (session, message) => session.send(message.payload) },
      { codecs },
    );
    const got: string[] = [];
    const client = await kit.join(
      t,
      server,
      { codecs: [jsonCodec] },
      { message: (_session, message) => got.push(message.text()) },
    );
    await until("it has begun", () => server.sessionCount === 1);
    client.send("as a line");
    client.abandon();
    client.send("kept meanwhile");
    assert.equal(await client.switchTo(server.urls[0]!), true);
    const reply = await client.request("nobody answers");
    assert.equal(reply.status, "failure");
    assert.deepEqual(got, ["as a line", "kept meanwhile"]);
  });
});
