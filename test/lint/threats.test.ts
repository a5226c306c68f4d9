import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const root = new URL("../../../", import.meta.url);
const page = readFileSync(new URL("docs/threats.md", root), "utf8");
/** A file, and the names that are said of it. */
const citation = /`(test\/[^`]+\.ts)`: (“[^”]+”(?:, “[^”]+”)*)/g;

describe("docs/threats.md", () => {
  it("names tests that there are", () => {
    const cited = [...page.matchAll(citation)];
    assert.ok(cited.length > 50);
    for (const [, path, names] of cited) {
      const file = fileURLToPath(new URL(path!, root));
      assert.ok(existsSync(file), `${path} is not there`);
      const source = readFileSync(file, "utf8");
      for (const [, name] of names!.matchAll(/“([^”]+)”/g)) {
        assert.ok(source.includes(name!), `${path} has no test named "${name}"`);
      }
    }
  });

  it("has a row for every threat to sessions", () => {
    const rows = [...page.matchAll(/^\| (\d+) \|/gm)].map(([, number]) => Number(number));
    const expected = [
      ...[1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 15, 16, 17, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30],
      ...[32, 34, 35, 36, 37, 46, 47, 48, 49, 51],
      ...[12, 43, 44, 45, 50, 53, 54], // of clients
    ];
    assert.deepEqual(rows, expected);
  });
});
