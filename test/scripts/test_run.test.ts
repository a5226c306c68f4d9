import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { temporaryFolder } from "../kit/folder.js";

const module = pathToFileURL(resolve(import.meta.dirname, "../../../scripts/setup/test_run.mjs"));

/** What test files may be like: the one that fails at first leaves a mark by which it passes then. */
const kinds = {
  good: "",
  bad: 'test("fails", () => assert.fail());',
  crash: "process.exit(3);",
  once: 'test("fails at first", () => { const been = existsSync(mark); writeFileSync(mark, ""); assert.ok(been); });',
} as const;

function runs(again: boolean, ...given: readonly (keyof typeof kinds)[]) {
  const cwd = temporaryFolder();
  const files = given.map((kind, index) => {
    const name = `${kind}-${index}.test.mjs`;
    const source = `import assert from "node:assert"; import { existsSync, writeFileSync } from "node:fs"; import { test } from "node:test";
const mark = import.meta.filename + ".mark"; ${kinds[kind]}`;
    writeFileSync(join(cwd, name), source);
    return name;
  });
  const program = `import { runTests } from ${JSON.stringify(module)};
process.exitCode = (await runTests(${JSON.stringify(files)}, ${JSON.stringify({ again, cwd })})) ? 0 : 1;`;
  // A runner of tests that runs inside another reports to that one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    env,
    encoding: "utf8",
  });
  return {
    passed: status === 0,
    again: /once more, alone: (.*)/.exec(stdout)?.[1],
    named: /FAILED ONLY BESIDE OTHERS: (.*)/.exec(stdout)?.[1],
  };
}

describe("a run of test files", () => {
  it("passes where all do, and fails where one does", () => {
    const nothing = { again: undefined, named: undefined };
    assert.deepEqual(runs(false, "good", "good"), { passed: true, ...nothing });
    assert.deepEqual(runs(true, "good"), { passed: true, ...nothing });
    assert.deepEqual(runs(false, "good", "once"), { passed: false, ...nothing });
  });

  it("runs what failed again where it shall, and names it", () => {
    const file = "once-1.test.mjs";
    assert.deepEqual(runs(true, "good", "once"), { passed: true, again: file, named: file });
  });

  it("fails where that fails again, too, or crashes", () => {
    for (const kind of ["bad", "crash"] as const) {
      const result = runs(true, kind, "once");
      assert.deepEqual([result.passed, result.named], [false, undefined]);
      assert.match(result.again ?? "", new RegExp(`${kind}-0`));
    }
  });

  it("runs nothing again where much has failed", () => {
    assert.deepEqual(runs(true, "once", "once", "once", "once"), {
      passed: false,
      again: undefined,
      named: undefined,
    });
  });
});
