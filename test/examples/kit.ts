import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Runs all programs of a folder of `examples/`. @param programs what each of them prints: lines, or all of it. */
export function testPrograms(
  folder: string,
  programs: Readonly<Record<string, readonly string[] | RegExp>>,
): void {
  const path = fileURLToPath(new URL(`../../../examples/${folder}/`, import.meta.url));
  for (const [program, expected] of Object.entries(programs)) {
    test(`examples/${folder}/${program} does what its first line says, and ends`, async () => {
      const run = await promisify(execFile)(process.execPath, [path + program], { timeout: 60_000 });
      assert.equal(run.stderr, "");
      if (expected instanceof RegExp) assert.match(run.stdout, expected);
      else assert.deepEqual(run.stdout.trimEnd().split("\n"), expected);
    });
  }

  test(`every program of examples/${folder} is run`, () => {
    const own = Object.keys(programs).filter((program) => !program.includes("/"));
    assert.deepEqual(
      readdirSync(path)
        .filter((name) => name.endsWith(".js"))
        .sort(),
      own.sort(),
    );
  });
}
