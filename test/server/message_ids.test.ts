import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { InvalidArgumentError } from "millrace";
import { createServer, FailureCode, type MessageIdOptions } from "millrace/server";
import { until } from "../kit/until.js";
import { sessionKit } from "./suite/kit.js";

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });

/** A client that asks a server under an id, and gets how often its handler ran, with so many bytes. */
async function asking(t: TestContext, messageIds: MessageIdOptions) {
  let runs = 0;
  const server = await kit.serve(
    t,
    {
      requests: {
        run: (_session, request) => String(++runs).padEnd(Number(request.text()), " "),
        never: () => new Promise<string>(() => {}),
      },
    },
    { messageIds },
  );
  const client = await kit.join(t, server);
  const ask = async (messageId: string, bytes = 1): Promise<number> => {
    const reply = await client.request("run", String(bytes), { messageId });
    if (reply.status === "success") return Number(Buffer.from(reply.payload).toString());
    return reply.status === "failure" ? -reply.code : Number.NaN;
  };
  return { client, ask };
}

describe("what a server remembers of message ids", () => {
  test("is so many ids of each session, the newest", async (t) => {
    const { ask } = await asking(t, { maxIds: 2 });
    assert.deepEqual([await ask("a"), await ask("b"), await ask("a")], [1, 2, 1]);
    assert.deepEqual([await ask("c"), await ask("b"), await ask("a")], [3, 2, 4]);
  });

  test("is them for so long", async (t) => {
    const { ask } = await asking(t, { maxAgeMs: 1 });
    assert.equal(await ask("a"), 1);
    await until("it is forgotten", async () => (await ask("a")) > 1);
  });

  test("is so many bytes of answers: who asks again for one that is gone, is told that it was done", async (t) => {
    const { ask } = await asking(t, { maxAnswerBytes: 10 });
    assert.deepEqual([await ask("a", 10), await ask("a", 10)], [1, 1]);
    assert.deepEqual([await ask("b", 11), await ask("b", 11)], [2, -FailureCode.forgotten]);
    assert.deepEqual([await ask("c", 1), await ask("a", 10)], [3, -FailureCode.forgotten]);
  });

  test("is so many requests that are not answered yet", async (t) => {
    const { client } = await asking(t, { maxIds: 2 });
    const options = { timeoutMs: 500 };
    const asked = ["a", "b", "c"].map((messageId) => client.request("never", "", { messageId, ...options }));
    const last = await asked[2]!;
    assert.equal(last.status === "failure" && last.code, FailureCode.overloaded);
    const again = await client.request("never", "", { messageId: "c", ...options });
    assert.equal(again.status === "failure" && again.code, FailureCode.overloaded, "it was not done");
    assert.deepEqual(await Promise.all(asked.slice(0, 2)), [{ status: "timeout" }, { status: "timeout" }]);
  });

  test("has limits with names", async () => {
    for (const messageIds of [{ maxIds: 0 }, { maxAgeMs: 0 }, { maxAnswerBytes: -1 }]) {
      const [name] = Object.keys(messageIds);
      await assert.rejects(createServer({ listen: "tcp://127.0.0.1:0", messageIds }, {}), (error) => {
        assert.ok(error instanceof InvalidArgumentError);
        assert.match(error.message, new RegExp(`${name} must be`));
        return true;
      });
    }
  });
});
