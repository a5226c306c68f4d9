/**
 * One way to keep sessions, measured in a process of its own: fills it, does the same operations in the same random
 * order as every other subject, and prints one line of JSON. Arguments: which subject, sessions, operations.
 */
import { PerformanceObserver } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Figures, Subject } from "./figures.js";
import { mapSubject } from "./map_subject.js";
import { residentBytes } from "./resident.js";
import { tableSubject } from "./table_subject.js";

const [name, sessionsText, operationsText] = process.argv.slice(2);
const sessions = Number(sessionsText);
const operations = Number(operationsText);
/** Between two, the event loop turns, and what the collector did is counted. */
const batch = 50_000;

let pauseMs = 0;
let longestPauseMs = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) {
    pauseMs += duration;
    longestPauseMs = Math.max(longestPauseMs, duration);
  }
}).observe({ entryTypes: ["gc"] });

function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error("start this with --expose-gc");
  globalThis.gc();
  globalThis.gc();
}

/** What one operation takes; the collector's pauses are part of it. */
async function nanoseconds(count: number, work: (count: number) => void): Promise<number> {
  work(Math.min(count, batch)); // compiled, and as warm as it gets
  await nextTurn();
  let elapsedMs = 0;
  for (let done = 0; done < count; done += batch) {
    const begun = performance.now();
    work(Math.min(batch, count - done));
    elapsedMs += performance.now() - begun;
    await nextTurn();
  }
  return (elapsedMs * 1e6) / count;
}

async function measure(make: (sessions: number) => Subject): Promise<Figures> {
  collectGarbage();
  const before = residentBytes();
  const subject = make(sessions);
  subject.fill();
  collectGarbage();
  const bytesPerSession = (residentBytes() - before) / sessions;
  await nextTurn();
  pauseMs = 0;
  longestPauseMs = 0;
  const mix = await nanoseconds(operations, (count) => subject.mix(count));
  const gc = { pauseMs, longestPauseMs };
  subject.index();
  const mixWithIds = await nanoseconds(operations, (count) => subject.mixWithIds(count));
  const lookup = await nanoseconds(operations, (count) => subject.lookup(count));
  const find = await nanoseconds(operations, (count) => subject.find(count));
  subject.sweep();
  const begun = performance.now();
  const swept = subject.sweep();
  if (swept !== sessions) throw new Error(`the sweep saw ${swept} of ${sessions} sessions`);
  const sweep = ((performance.now() - begun) * 1e6) / sessions;
  return { mix, mixWithIds, lookup, find, sweep, bytesPerSession, ...gc };
}

const subjects: Record<string, (sessions: number) => Subject> = { table: tableSubject, map: mapSubject };
const make = subjects[name ?? ""];
if (make === undefined) throw new Error(`no such subject: ${name}`);
console.log(JSON.stringify(await measure(make)));
process.exit(0);
