import assert from "node:assert/strict";
import { test } from "node:test";
import { createServer } from "millrace/server";
import { until } from "../kit/until.js";

test("what is published before a server's clock has turned is kept as long as all else, however old the process is", async (t) => {
  const now = performance.now.bind(performance);
  t.mock.method(performance, "now", () => now() + 3_600_000);
  const server = await createServer(
    {
      listen: "tcp://127.0.0.1:0",
      topics: { history: { brief: { count: 1, ageMs: 1 }, long: { count: 1, ageMs: 600_000 } } },
      plugins: [
        {
          name: "early",
          setup: (made) => {
            made.publish("brief", "1");
            made.publish("long", "2");
          },
        },
      ],
    },
    {},
  );
  t.after(() => server.close());
  await until("the clock has turned", () => server.topicStatistics.historyEntries < 2);
  assert.equal(server.topicStatistics.historyEntries, 1);
});
