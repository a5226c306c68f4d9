import assert from "node:assert/strict";
import { test } from "node:test";
import { ProcessRun } from "#internal/server/processes/process_run.js";
import type { AppData } from "./app.js";

test("a process counts as told where all listen when it knows, and when it has ended", async (t) => {
  const workerData: AppData = { listen: "tcp://127.0.0.1:0" };
  const module = new URL("./app.js", import.meta.url).href;
  const workers = { module, workers: 1, maxSessions: 16, workerData };
  const [stopped, other] = [1, 2].map((node) => {
    const task = { workers, node, secret: new Uint8Array(32), boundUrls: [], nodes: [] };
    const run = new ProcessRun({ type: "begin", ...task }, () => {});
    t.after(() => run.close({ graceful: false }, 0));
    return run;
  }) as [ProcessRun, ProcessRun];
  const urls = await Promise.all([stopped.listening, other.listening]);
  const nodes = urls.map((its, index) => ({ node: index + 1, urls: its }));
  process.kill(stopped.pid!, "SIGSTOP");
  let isTold = false;
  const told = stopped.tellNodes(nodes).then(() => {
    isTold = true;
  });
  await other.tellNodes(nodes);
  assert.equal(isTold, false, "it cannot know yet");
  process.kill(stopped.pid!, "SIGCONT");
  await told;
  process.kill(stopped.pid!, "SIGSTOP");
  const never = stopped.tellNodes(nodes);
  process.kill(stopped.pid!, "SIGKILL");
  await never;
});
