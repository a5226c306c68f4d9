import { join } from "node:path";
import { type Benchmark, inTurn, type Target } from "./benchmark.js";
import { serverCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import type { Figures } from "./topics/figures.js";

const deadlineMs = 180_000;
const subscribersEach = 10;

interface Row {
  readonly title: string;
  readonly unit: string;
  readonly of: keyof Figures;
  readonly target?: Target;
}

const noSlower: Target = { of: "ratio", atMost: 1 };
const rows: readonly Row[] = [
  { title: "whom one message to 10,000 goes to, all walked", unit: "ns", of: "publish", target: noSlower },
  { title: "the same, where one leaves and comes back before each", unit: "ns", of: "publishChurned" },
  { title: "the same, and 100 by two wildcards", unit: "ns", of: "publishOverlapping", target: noSlower },
  { title: "whom a message to 10 goes to", unit: "ns", of: "match" },
  {
    title: "whom a message to one goes to, by a wildcard of its own",
    unit: "ns",
    of: "matchWild",
    target: noSlower,
  },
  { title: "one more subscription", unit: "ns", of: "add" },
  { title: "a subscriber goes, each of its ten subscriptions", unit: "ns", of: "leave" },
  { title: "memory, a subscription", unit: "bytes", of: "bytesPerSubscription", target: noSlower },
  {
    title: "memory, a topic with its only subscriber",
    unit: "bytes",
    of: "bytesPerSingle",
    target: noSlower,
  },
];

/** Who subscribes to what: what it costs to find out for each message, and to keep. */
export const topics: Benchmark = {
  name: "topics",
  title: "Topics: beside a Map of Sets",
  async run(options) {
    const count = Math.ceil(options.sessions / subscribersEach);
    const subject = (name: string) => () =>
      BenchProcess.run<Figures>(
        [
          process.execPath,
          "--expose-gc",
          "--max-old-space-size=4096",
          join(import.meta.dirname, "topics", "subject.js"),
          name,
          String(count),
        ],
        { deadlineMs, ...(serverCore !== undefined && { core: serverCore }) },
      );
    const title = `${count * subscribersEach} subscriptions to ${count} topics`;
    const results = await inTurn(options, title, { ours: subject("millrace"), sets: subject("sets") });
    const checksums = [...results.ours, ...results.sets].map(({ checksum }) => checksum);
    if (new Set(checksums).size > 1) throw new Error(`they found different subscribers: ${checksums}`);
    return rows.map(({ of, title: operation, ...row }) => ({
      title: `${title}: ${operation}`,
      ...row,
      ours: { name: "millrace", values: results.ours.map((figures) => figures[of]) },
      peer: { name: "Map of Sets", values: results.sets.map((figures) => figures[of]) },
    }));
  },
};
