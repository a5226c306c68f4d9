import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../kit/folder.js";
import { sabotages } from "../proof/sabotage.js";

const repository = resolve(import.meta.dirname, "../../..");
/** A clone as far as these scripts read it. It has no packages, and nothing is built: set-up would begin with that. */
const clone = temporaryFolder();
for (const path of ["scripts", "bench", "test", "package.json"]) {
  const isOurs = (source: string) => !/node_modules|[/\\]target([/\\]|$)/.test(source);
  cpSync(join(repository, path), join(clone, path), { recursive: true, filter: isOurs });
}

/** Runs a script where no command is to be found: neither npm nor cargo. */
function run(script: string, ...args: string[]) {
  const command = [join(clone, "scripts", script), ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: clone,
    env: { PATH: "" },
    encoding: "utf8",
  });
  for (const made of ["node_modules", "build", "dist", "out"]) {
    assert.ok(!existsSync(join(clone, made)), `${script} has made ${made}: ${stderr}`);
  }
  return { status, stdout, stderr };
}

describe("npm run prove:client", () => {
  it("says in its help what it takes, and builds nothing", () => {
    const { status, stdout } = run("prove-client.mjs", "--help");
    assert.equal(status, 0);
    for (const option of ["--drops", "--seed", "--transports", "--history", "--sabotage", "--json"]) {
      assert.ok(stdout.includes(option), stdout);
    }
  });

  it("refuses what its program would not take, and builds nothing", () => {
    const wrong: readonly (readonly [RegExp, ...string[]])[] = [
      [/Unknown option '--fast'/, "--fast"],
      [/--drops must be 1\.\.1000000000, not none/, "--drops=none"],
      [/--seed must be 0\.\.2147483647, not -1/, "--seed=-1"],
      [/--transports has no "udp"; there are quic, ws, tcp/, "--transports=quic,udp"],
      [
        new RegExp(`--sabotage has no "all"; there are ${Object.keys(sabotages).join(", ")}`),
        "--sabotage=all",
      ],
    ];
    for (const [message, ...args] of wrong) {
      const { status, stderr } = run("prove-client.mjs", ...args);
      assert.equal(status, 1);
      assert.match(stderr, message);
    }
  });
});

describe("npm run bench", () => {
  it("says in its help all benchmarks and options that its program takes, and builds nothing", () => {
    const { status, stdout } = run("bench.mjs", "--help");
    assert.equal(status, 0);
    const program = spawnSync(process.execPath, [join(repository, "out/bench/main.js"), "--help"], {
      encoding: "utf8",
    }).stdout;
    const quoted = [...program.matchAll(/"([a-z-]+)"/g)].map(([, name]) => name!);
    assert.ok(quoted.length > 20, program);
    assert.deepEqual(
      [...stdout.matchAll(/^ {2}([a-z-]+)$/gm)].map(([, name]) => name),
      quoted.sort(),
    );
    const optionsOf = (help: string) => [...new Set(help.match(/--[a-z]+/g))].sort();
    assert.deepEqual(optionsOf(stdout), optionsOf(program));
  });

  it("refuses a benchmark, an option or a number that its program would not take, and builds nothing", () => {
    const wrong: readonly (readonly [RegExp, ...string[]])[] = [
      [/there is no benchmark rings; there are client-connect, /, "ring", "rings"],
      [/Unknown option '--fast'/, "--fast"],
      [/--repetitions must be 1\.\.100, not 0/, "--repetitions", "0"],
    ];
    for (const [message, ...args] of wrong) {
      const { status, stderr } = run("bench.mjs", ...args);
      assert.equal(status, 1);
      assert.match(stderr, message);
    }
  });
});

describe("npm test", () => {
  it("says its help, and builds nothing", () => {
    const { status, stdout } = run("test.mjs", "--help");
    assert.equal(status, 0);
    assert.match(stdout, /^Usage: npm test/);
  });

  it("refuses a word that no test has, and an option that node has not, and builds nothing", () => {
    const word = run("test.mjs", "no/such/test");
    assert.equal(word.status, 1);
    assert.match(word.stderr, /no test file's path contains no\/such\/test/);
    const option = run("test.mjs", "--no-such-option", "errors");
    assert.equal(option.status, 1);
    assert.match(option.stderr, /node does not take this: .*--no-such-option/);
  });

  it("sets up where nothing is wrong with its arguments, which these tests would see", () => {
    assert.throws(() => run("test.mjs", "--test-only", "errors"), /test\.mjs has made build/);
  });
});
