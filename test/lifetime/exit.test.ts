import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import {
  type Credentials,
  type Endpoints,
  listenForTraffic,
  makeTraffic,
  type Traffic,
  type TrafficListeners,
} from "./traffic.js";

const runs = 20;
/** Runs at the same time. */
const abreast = 4;
/** What is still running then hangs. */
const patienceMs = 120_000;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** How a process ended, and what it had to say about it. */
interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  readonly errors: string;
}

let credentials: Credentials;
let peer: TrafficListeners;

before(async () => {
  const { identity, ca } = await Loopback.make();
  credentials = { ...identity, ca };
  peer = await listenForTraffic(credentials);
});

after(() => peer.close());

function start(
  role: string,
  how = "",
): { child: Child; lines: AsyncIterator<string>; ended: Promise<Ending> } {
  const { url, rawPort } = peer;
  const task = JSON.stringify({ credentials, peer: { url, rawPort } });
  const program = fileURLToPath(new URL("./exit_process.js", import.meta.url));
  const child = spawn(process.execPath, [program, role, how], {
    env: { ...process.env, MILLRACE_TRAFFIC: task },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  let errors = "";
  child.stderr.on("data", (text) => {
    errors += text;
  });
  // It may be gone before it reads what we say.
  child.stdin.on("error", () => {});
  const ended = once(child, "close").then(([code, signal]): Ending => {
    clearTimeout(timer);
    return { code, signal, errors };
  });
  return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator](), ended };
}

async function line(lines: AsyncIterator<string>): Promise<string> {
  return (await lines.next()).value ?? "nothing: it has ended";
}

/** A process with traffic towards it, or of its own, that is told to end. */
async function endUnderTraffic(role: "server" | "client", how: string): Promise<Ending> {
  const { child, lines, ended } = start(role, how);
  let traffic: Traffic | undefined;
  if (role === "server") {
    const endpoints = JSON.parse(await line(lines)) as Endpoints;
    const flowing = deferred();
    traffic = await makeTraffic(endpoints, credentials.ca, flowing.resolve);
    await flowing.promise;
    child.stdin.write("end\n");
  }
  if (how === "signal") {
    assert.equal(await line(lines), "flowing");
    child.kill("SIGTERM");
  }
  const ending = await ended;
  await traffic?.close();
  return ending;
}

async function repeat(task: () => Promise<void>): Promise<void> {
  let left = runs;
  const work = async () => {
    while (left > 0) {
      left -= 1;
      await task();
    }
  };
  await Promise.all(Array.from({ length: abreast }, work));
}

for (const role of ["client", "server"] as const) {
  describe(`a ${role} under QUIC traffic`, () => {
    test("that calls process.exit ends with its code", async () => {
      await repeat(async () => {
        assert.deepEqual(await endUnderTraffic(role, "exit"), { code: 7, signal: null, errors: "" });
      });
    });

    test("that throws ends with code 1 and says what was thrown", async () => {
      await repeat(async () => {
        const { code, signal, errors } = await endUnderTraffic(role, "throw");
        assert.deepEqual({ code, signal }, { code: 1, signal: null }, errors);
        assert.match(errors, /Error: thrown on purpose/);
      });
    });

    test("that is told to by SIGTERM ends of that signal and no other", async () => {
      await repeat(async () => {
        const { code, signal, errors } = await endUnderTraffic(role, "signal");
        assert.deepEqual({ code, signal, errors }, { code: null, signal: "SIGTERM", errors: "" });
      });
    });
  });
}

test("a process that has closed all ends by itself", async () => {
  await repeat(async () => {
    assert.deepEqual(await start("closes").ended, { code: 0, signal: null, errors: "" });
  });
});

for (const [role, what] of [
  ["listens", "a listener"],
  ["connected", "an open connection"],
] as const) {
  test(`${what} keeps the process going`, async () => {
    const { child, lines, ended } = start(role);
    assert.equal(await line(lines), "still going");
    child.kill("SIGTERM");
    assert.equal((await ended).signal, "SIGTERM");
  });
}
