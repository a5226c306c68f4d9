import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createTcpServer } from "node:net";
import { createInterface } from "node:readline";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type ClientOptions, type ClientSession, connect } from "millrace/client";
import {
  type ProcessesBehaviour,
  type ProcessesOptions,
  type ProcessGroup,
  type ProcessInfo,
  startProcesses,
  type WorkerInfo,
} from "millrace/server";
import { until } from "../../kit/until.js";
import { authority, identity } from "../../transport/suite/kit.js";
import type { AppData } from "./app.js";

const module = new URL("./app.js", import.meta.url);

async function startApp(
  t: TestContext,
  data: AppData,
  options: Partial<ProcessesOptions> = {},
  behaviour?: ProcessesBehaviour,
): Promise<ProcessGroup> {
  const workerData = { tls: identity, ...data };
  const group = await startProcesses({ module, processes: 2, workerData, ...options }, behaviour);
  t.after(() => group.close({ graceful: false }));
  return group;
}

async function join(t: TestContext, url: string, options: ClientOptions = {}): Promise<ClientSession> {
  const client = await connect(url, { tls: { ca: authority.certificate }, reconnect: false, ...options });
  t.after(() => client.close({ graceful: false }));
  return client;
}

async function ask(client: ClientSession, subject: string): Promise<string> {
  const reply = await client.request(subject);
  assert.equal(reply.status, "success", JSON.stringify(reply));
  return Buffer.from((reply as { payload: Uint8Array }).payload).toString();
}

function lives(pid: number | undefined): boolean {
  try {
    return process.kill(pid!, 0);
  } catch {
    return false;
  }
}

describe("a server in several processes", () => {
  for (const listen of ["ws://127.0.0.1:0", "tcp://127.0.0.1:0", "quic://127.0.0.1:0"]) {
    test(`has a session's client sent to its process, over ${listen.split(":")[0]}`, async (t) => {
      const group = await startApp(t, { listen }, { workers: 2 });
      assert.deepEqual(
        group.processes.map(({ node, state, restarts }) => [node, state, restarts]),
        [
          [1, "listening", 0],
          [2, "listening", 0],
        ],
      );
      assert.equal(new Set(group.urls).size, 2, "each has a port of its own");
      for (const { pid, urls } of group.processes) {
        const client = await join(t, urls[0]!);
        assert.equal(await ask(client, "pid"), String(pid));
        const { id } = client;
        const thread = await ask(client, "thread");
        for (const other of group.processes) {
          client.abandon();
          await until("it is detached", () => client.state === "disconnected");
          assert.equal(await client.switchTo(other.urls[0]!), true);
          assert.equal(client.id, id);
          assert.equal(await ask(client, "pid"), String(pid));
          assert.equal(await ask(client, "thread"), thread);
        }
      }
    });
  }

  test("listens on ports that are counted up, of each URL", async (t) => {
    const port = await freePorts(4);
    const listen = [`ws://127.0.0.1:${port}/path`, `tcp://127.0.0.1:${port + 2}`, "tcp://127.0.0.1:0"];
    const group = await startApp(t, { listen });
    const ports = group.processes.map(({ urls }) => urls.map((url) => Number(new URL(url).port)));
    assert.deepEqual(
      ports.map((each) => each.slice(0, 2)),
      [
        [port, port + 2],
        [port + 1, port + 3],
      ],
    );
    assert.notEqual(ports[0]![2], ports[1]![2]);
    for (const [index, url] of group.processes[1]!.urls.entries()) {
      const client = await join(t, url);
      await ask(client, "pid"); // it has begun
      client.abandon();
      await until("it is detached", () => client.state === "disconnected");
      const at = group.processes[0]!.urls[index]!;
      assert.equal(await client.switchTo(at), true, "by the URL of the same place");
    }
  });

  test("sends clients to the host that it was told", async (t) => {
    const group = await startApp(t, { listen: "ws://0.0.0.0:0" }, { host: "localhost" });
    const [first, second] = group.urls.map((url) => url.replace("0.0.0.0", "127.0.0.1")) as [string, string];
    const client = await join(t, first);
    await ask(client, "pid");
    assert.equal(await client.switchTo(second), true);
    const other = await startApp(t, { listen: "tcp://0.0.0.0:0" });
    const [third, fourth] = other.urls.map((url) => url.replace("0.0.0.0", "127.0.0.1")) as [string, string];
    const at = await join(t, third);
    await ask(at, "pid");
    assert.equal(await at.switchTo(fourth), true, "the address that the client has come to");
  });

  test("has another process in the place of one that is killed, on the same ports, and the others go on", async (t) => {
    const exits: [ProcessInfo, unknown][] = [];
    const restarted: ProcessInfo[] = [];
    const group = await startApp(
      t,
      { listen: ["ws://127.0.0.1:0", "quic://127.0.0.1:0"] },
      {},
      {
        processExit: (info, cause) => exits.push([info, cause]),
        processRestart: (info) => restarted.push(info),
      },
    );
    const [victim, bystander] = group.processes as [ProcessInfo, ProcessInfo];
    const client = await join(t, victim.urls[0]!);
    const { id } = client;
    const other = await join(t, bystander.urls[0]!);
    await ask(client, "pid");
    await ask(other, "pid");
    process.kill(victim.pid!, "SIGKILL");
    await until("another is there", () => restarted.length === 1);
    assert.match(String(exits[0]![1]), /SIGKILL/);
    const [successor] = group.processes as [ProcessInfo];
    assert.deepEqual(
      { ...successor, pid: 0 },
      { node: 1, pid: 0, state: "listening", restarts: 1, urls: victim.urls },
    );
    assert.notEqual(successor.pid, victim.pid);
    await until("its client is cut off", () => client.state === "disconnected");
    assert.equal(
      await client.switchTo(bystander.urls[0]!),
      false,
      "it is sent to the successor, and begins anew",
    );
    assert.notEqual(client.id, id);
    assert.equal(await ask(client, "pid"), String(successor.pid));
    assert.equal(await ask(other, "pid"), String(bystander.pid));
    assert.equal(other.state, "connected");
    for (const url of victim.urls) assert.equal(await ask(await join(t, url), "pid"), String(successor.pid));
  });

  test("tells clients when it is closed, finishes, and leaves no process behind", async (t) => {
    const group = await startApp(t, { listen: "ws://127.0.0.1:0" });
    const pids = group.processes.map(({ pid }) => pid);
    const client = await join(t, group.urls[0]!);
    await ask(client, "pid");
    await group.close({ deadlineMs: 30_000 });
    assert.deepEqual(pids.map(lives), [false, false]);
    assert.deepEqual(
      group.processes.map(({ state }) => state),
      ["closed", "closed"],
    );
    await until("it is cut off", () => client.state !== "connected");
  });

  test("that one process asks to end by SIGTERM ends gracefully there, and begins anew", async (t) => {
    const exits: unknown[] = [];
    let restarts = 0;
    const group = await startApp(
      t,
      { listen: "ws://127.0.0.1:0" },
      {},
      {
        processExit: (_info, cause) => exits.push(cause),
        processRestart: () => {
          restarts += 1;
        },
      },
    );
    process.kill(group.processes[0]!.pid!, "SIGTERM");
    await until("another is there", () => restarts === 1);
    assert.deepEqual(exits, [undefined], "it ended as one that is done");
  });

  test("tells of a thread that the application ended, whose process goes on", async (t) => {
    const exits: [ProcessInfo, WorkerInfo, unknown][] = [];
    const restarts: [ProcessInfo, WorkerInfo][] = [];
    const group = await startApp(
      t,
      { listen: "tcp://127.0.0.1:0" },
      {},
      {
        processExit: () => assert.fail("no process has ended"),
        workerExit: (...told) => exits.push(told),
        workerRestart: (...told) => restarts.push(told),
      },
    );
    const { pid, urls } = group.processes[1]!;
    for (const words of ["throw", "throw an object", "exit"]) {
      const count = restarts.length + 1;
      const client = await join(t, urls[0]!);
      client.send(words);
      await until("another is there", () => restarts.length === count);
      const told = restarts.map(([info, worker]) => [info.node, info.pid, worker.id, worker.restarts]).at(-1);
      assert.deepEqual(told, [2, pid, 1, count]);
    }
    const [thrown, object, exited] = exits.map(([, , cause]) => cause) as [RangeError, unknown, unknown];
    assert.deepEqual(
      exits.map(([info, worker]) => [info.node, info.state, worker.state]),
      Array.from({ length: 3 }, () => [2, "listening", "waiting"]),
    );
    assert.ok(thrown instanceof Error);
    assert.deepEqual(
      { name: thrown.name, message: thrown.message, code: (thrown as { code?: string }).code },
      { name: "RangeError", message: "as it was told", code: "E_TOLD" },
    );
    assert.match(thrown.stack!, /app\.[jt]s/);
    assert.match(String(object), /nobody: 'expects this'/);
    assert.equal(exited, undefined);
    assert.equal(await ask(await join(t, urls[0]!), "pid"), String(pid));
  });

  test("warns here of a thread that ends again and again there, where nobody asked to be told", async (t) => {
    const warnings: { code?: string; message: string; detail?: string }[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    t.after(() => process.off("warning", onWarning));
    const crashing = new URL("../threads/crashing.js", import.meta.url);
    const group = await startProcesses({ module: crashing, processes: 1 });
    t.after(() => group.close({ graceful: false }));
    const coded = (code: string) => warnings.find((warning) => warning.code === code);
    await until("it is told", () => coded("MILLRACE_WORKER_FAILING") !== undefined);
    assert.match(coded("MILLRACE_WORKER_EXIT")!.message, /^worker 1 of process 1 has ended/);
    assert.match(coded("MILLRACE_WORKER_EXIT")!.detail!, /Error: not again/);
    assert.match(coded("MILLRACE_WORKER_FAILING")!.message, /^worker 1 of process 1 ends again and again/);
  });

  test("says why a module makes no server, and checks its options", async (t) => {
    const missing = new URL("./nowhere.js", import.meta.url);
    await assert.rejects(startProcesses({ module: missing, processes: 2 }), {
      code: "ERR_MILLRACE_WORKER_FAILED",
      message: /nowhere/,
    });
    for (const options of [
      { processes: 0 },
      { processes: 257 },
      { workers: 64 },
      { host: "a/b" },
      { handleSignals: 1 },
    ]) {
      await assert.rejects(startApp(t, { listen: "ws://127.0.0.1:0" }, options as never), {
        code: "ERR_MILLRACE_INVALID_ARGUMENT",
      });
    }
  });
});

describe("processes that cannot begin", () => {
  test("are refused data that no other process can have", async () => {
    const workerData = { shared: new SharedArrayBuffer(8) };
    await assert.rejects(startProcesses({ module, processes: 1, workerData }), {
      code: "ERR_MILLRACE_INVALID_ARGUMENT",
      message: /workerData must be something that can be sent to another process/,
    });
  });

  test("are not waited for, where the operating system gives none", async (t) => {
    const { execPath } = process;
    t.after(() => {
      process.execPath = execPath;
    });
    process.execPath = "/nowhere/node";
    await assert.rejects(startProcesses({ module, processes: 2 }), {
      code: "ERR_MILLRACE_WORKER_FAILED",
      message: /a process could not be run: spawn .* ENOENT/,
    });
  });

  test("leave nothing behind that keeps this one alive", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const throwing = new URL("data:text/javascript,throw 1");
    await assert.rejects(startProcesses({ module: throwing, processes: 1 }), {
      code: "ERR_MILLRACE_WORKER_FAILED",
    });
    assert.equal(timers(), before);
  });
});

describe("the process that began others", () => {
  async function run(t: TestContext) {
    const program = spawn(process.execPath, [fileURLToPath(new URL("./program.js", import.meta.url))], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => program.kill("SIGKILL"));
    const [line] = (await once(createInterface(program.stdout), "line")) as [string];
    return { program, ...(JSON.parse(line) as { pids: number[]; urls: string[] }) };
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`closes them when it gets ${signal}, and then ends by it`, async (t) => {
      const { program, pids, urls } = await run(t);
      const client = await join(t, urls[0]!);
      let goAways = 0;
      const told = await connect(
        urls[1]!,
        { reconnect: false },
        {
          goAway: () => {
            goAways += 1;
          },
        },
      );
      t.after(() => told.close({ graceful: false }));
      await ask(client, "pid");
      await ask(told, "pid");
      program.kill(signal);
      const [, by] = (await once(program, "exit")) as [number | null, string | null];
      assert.equal(by, signal);
      assert.deepEqual(pids.map(lives), [false, false]);
      assert.equal(goAways, 1);
    });
  }

  test("takes them with it when it is killed", async (t) => {
    const { program, pids } = await run(t);
    program.kill("SIGKILL");
    await until("they are gone", () => !pids.some(lives));
  });
});

/** The first of so many ports in a row that are free. */
async function freePorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const probes = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const probe = createTcpServer();
        const isFree = await new Promise<boolean>((resolve) => {
          probe.once("error", () => resolve(false));
          probe.listen(first + index, "127.0.0.1", () => resolve(true));
        });
        if (isFree) await new Promise((resolve) => probe.close(resolve));
        return isFree;
      }),
    );
    if (probes.every(Boolean)) return first;
  }
  throw new Error(`there are no ${count} free ports in a row`);
}
