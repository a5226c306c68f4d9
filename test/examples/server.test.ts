import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const folder = fileURLToPath(new URL("../../../examples/server/", import.meta.url));

/** What each program prints. */
const programs: Readonly<Record<string, readonly string[]>> = {
  "echo.js": ["ada is here, over websocket", "ada goes on, over tcp", "one, two, three, four"],
  "room.js": ["ada hears in room.lobby: ada: anybody here?", "bob hears in room.lobby: ada: anybody here?"],
  "workers/main.js": [
    "sent",
    "to 2 sessions",
    "ada hears: closing time",
    "bob hears: ada says: good morning, closing time",
    "here: ada and bob",
  ],
  "processes/main.js": ["begins in process 1", "goes on in process 1", "and is told: it is done"],
  "requests.js": [
    "stock.count: success 3",
    "stock.count: failure there is no unicorn",
    'stock.order: success {"item":"teapot","left":1}',
    "till.cash: success 41.50",
  ],
  "early_data.js": [
    "connected; early data accepted: none sent",
    "ada looks at tea",
    "41.50 for ada's tea",
    "ada looks at milk, early",
    "connected; early data accepted: true",
    "41.50 for ada's milk, early",
  ],
  "large.js": [
    "the server takes Metropolis, by ada",
    "25 %",
    "50 %",
    "75 %",
    "100 %",
    "all of it",
    "Heimat: 1413, the other side does not take it: that is too long",
  ],
  "orders.js": [
    "stored: acknowledged",
    "again: acknowledged; the kitchen has 1",
    "another under its id: rejected, the message id is another message's",
    "order 2: read",
    "2 on disk",
  ],
};

for (const [program, lines] of Object.entries(programs)) {
  test(`examples/server/${program} does what its first line says`, async () => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [folder + program], {
      timeout: 60_000,
    });
    assert.equal(stderr, "");
    assert.deepEqual(stdout.trimEnd().split("\n"), lines);
  });
}
