/** A program that runs a server in two processes, tells their ids, and then waits for a signal. */
import { startProcesses } from "millrace/server";

const group = await startProcesses({
  module: new URL("./app.js", import.meta.url),
  processes: 2,
  workerData: { listen: "tcp://127.0.0.1:0" },
});
console.log(JSON.stringify({ pids: group.processes.map(({ pid }) => pid), urls: group.urls }));
setInterval(() => {}, 1_000_000);
