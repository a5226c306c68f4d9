import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

const repository = resolve(import.meta.dirname, "../../..");

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "millrace-layers-"));
  for (const file of [".dependency-cruiser.cjs", "tsconfig.json", "tsconfig.base.json", "package.json"]) {
    copyFileSync(join(repository, file), join(root, file));
  }
  symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** Makes the file `from`, which imports each of `to`. */
function plant(from: string, ...to: string[]): void {
  plantImports(from, to, false);
}

function plantImports(from: string, to: readonly string[], typesOnly: boolean): void {
  const file = join(root, "src", from);
  mkdirSync(dirname(file), { recursive: true });
  const imports = to.map(
    (target, index) => `${typesOnly ? "import type" : "import"} * as m${index} from "${target}";\n`,
  );
  writeFileSync(file, `${imports.join("")}export const a = 1;\n`);
}

interface Violation {
  readonly from: string;
  readonly rule: { readonly name: string };
}

/** What the checked-in rules say of the planted tree: `file: rule`, sorted. */
function violations(): string[] {
  const cruise = join(repository, "node_modules", "dependency-cruiser", "bin", "dependency-cruise.mjs");
  const args = [cruise, "--config", ".dependency-cruiser.cjs", "--output-type", "json", "src"];
  const { stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
  const report = JSON.parse(stdout) as { summary: { violations: readonly Violation[] } };
  return report.summary.violations.map(({ from, rule }) => `${from}: ${rule.name}`).sort();
}

describe("the layering rules", () => {
  it("let imports go down the layers", () => {
    plant("errors.ts");
    plant("transport/transport.ts", "../errors.js");
    plant("quic/index.ts", "../transport/transport.js", "../errors.js");
    plant("frame/codec.ts");
    plant("frame/frame.ts", "./codec.js", "node:buffer");
    plantImports("quic/connection.ts", ["./stream.js"], true);
    plantImports("quic/stream.ts", ["./connection.js"], true);
    plant("index.ts", "./frame/frame.js", "./quic/index.js");
    plant("cli/main.ts", "../index.js", "commander", "node:fs");
    assert.deepEqual(violations(), []);
  });

  it("refuse an import that goes up, sideways, round, or into a folder without a layer", () => {
    plant("errors.ts");
    plant("index.ts");
    plant("frame/frame.ts");
    plantImports("transport/transport.ts", ["../quic/index.js"], true);
    plant("quic/index.ts", "../frame/frame.js");
    plant("websocket/index.ts", "../quic/index.js");
    plant("native/a.ts", "./b.js");
    plant("native/b.ts", "./a.js");
    plant("helpers/any.ts", "../errors.js");
    plant("server/index.ts", "../index.js", "typescript");
    assert.deepEqual(violations(), [
      "src/helpers/any.ts: every-folder-has-a-layer",
      "src/native/a.ts: no-cycles",
      "src/quic/index.ts: quic-websocket-tcp-imports-nothing-above",
      "src/server/index.ts: no-development-packages",
      "src/server/index.ts: server-client-imports-nothing-above",
      "src/transport/transport.ts: transport-imports-nothing-above",
      "src/websocket/index.ts: websocket-imports-no-sibling",
    ]);
  });
});
