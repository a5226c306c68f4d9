import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

const folder = fileURLToPath(new URL("../../../examples/telemetry/", import.meta.url));
const few = ["--devices", "60", "--readings", "50"];

test("examples/telemetry/telemetry.js has every device on the dashboard, its alarms and the archive", async () => {
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [join(folder, "telemetry.js"), ...few, "--json"],
    {
      timeout: 60_000,
    },
  );
  assert.equal(stderr, "", "a progress bar is for terminals");
  const summary = JSON.parse(stdout);
  assert.deepEqual(summary.sessions, { quic: 6, websocket: 19, tcp: 18, memory: 18 });
  assert.equal(summary.devices, 60);
  assert.equal(summary.readings, 3_000);
  assert.equal(summary.devicesUpToDate, 60);
  assert.ok(summary.updatesShown >= 60 && summary.updatesShown <= 3_000);
  assert.equal(summary.alarms, 3);
  assert.equal(summary.archiveBytes, 8 * 1024 * 1024);
  assert.equal(summary.archiveAnswered, "success");
});

test("its progress bar is drawn over itself on a terminal, and nowhere else", async () => {
  const { progressBar } = (await import(pathToFileURL(join(folder, "progress_bar.js")).href)) as {
    progressBar(stream: object): { show(what: string, done: number, all: number): void; end(): void };
  };
  const drawn = (isTTY: boolean) => {
    let written = "";
    const write = (text: string) => {
      written += text;
    };
    const bar = progressBar({ isTTY, write });
    bar.show("connected", 30, 60);
    bar.end();
    return written;
  };
  assert.equal(drawn(true), `\rconnected  [${"#".repeat(20)}${" ".repeat(20)}] 30 of 60\u001b[K\r\u001b[K`);
  assert.equal(drawn(false), "");
});
