// Puts the figures of a run into docs/benchmarks.md, and those that have a target into README.md, between the pages' two
// figures marks: no figure there that was not measured. Argument: the JSON file of a run.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Comparison } from "./benchmark.js";
import { formatOutcome, formatSpread, formatStanding, formatTarget } from "./print.js";
import { type BenchmarkResult, type RunResult, readResult } from "./results.js";
import { root } from "./root.js";

const begin = "<!-- figures:begin -->";
const end = "<!-- figures:end -->";

function describeRun({ date, machine, pinning, repetitions }: RunResult): string {
  return (
    `Measured on ${date.slice(0, 10)}, commit ${machine.commit || "unknown"}: ${machine.cpu}, ${machine.cores} cores, ` +
    `${machine.memoryGiB} GiB, ${machine.kernel}, Node ${machine.node}; ${pinning}; ` +
    `${repetitions} repetitions, the median (lowest–highest) of each.`
  );
}

function row(comparison: Comparison): string {
  const { title, unit, ours, peer, target } = comparison;
  const cells = [
    `${title}, ${unit}`,
    `${ours.name}: ${formatSpread(ours.values)}`,
    `${peer.name}: ${formatSpread(peer.values)}`,
    formatStanding(comparison),
    target === undefined ? "" : `${formatTarget(target)}, ${formatOutcome(comparison)}`,
  ];
  return `| ${cells.join(" | ")} |`;
}

const head = "| what | ours | beside | ratio or difference | target |\n|---|---|---|---|---|";

function table({ title, comparisons }: BenchmarkResult): string {
  const notes = comparisons.flatMap(({ title, note }) => (note === undefined ? [] : [`- ${title}: ${note}`]));
  return [`**${title}**`, [head, ...comparisons.map(row)].join("\n"), notes.join("\n")]
    .filter((part) => part !== "")
    .join("\n\n");
}

function renderFigures(result: RunResult): string {
  return [describeRun(result), ...result.benchmarks.map(table)].join("\n\n");
}

/** What has a target, in one table. */
function renderSummary(result: RunResult): string {
  const rows = result.benchmarks.flatMap(({ title, comparisons }) =>
    comparisons
      .filter(({ target }) => target !== undefined)
      .map((comparison) => row({ ...comparison, title: `${title.split(":")[0]}; ${comparison.title}` })),
  );
  return [describeRun(result), [head, ...rows].join("\n")].join("\n\n");
}

async function fill(page: string, figures: string): Promise<void> {
  const text = await readFile(join(root, page), "utf8");
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${page} has no ${begin} … ${end}`);
  await writeFile(join(root, page), `${text.slice(0, from + begin.length)}\n${figures}\n${text.slice(to)}`);
}

const [file] = process.argv.slice(2);
if (file === undefined) {
  console.error("usage: node out/bench/report.js RESULT.json");
  process.exitCode = 2;
} else {
  const result = await readResult(file);
  await fill(join("docs", "benchmarks.md"), renderFigures(result));
  await fill("README.md", renderSummary(result));
}
