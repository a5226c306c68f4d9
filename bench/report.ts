// Puts the figures of a run into a page, between its two figures marks: no figure there that was not measured.
// Arguments: the JSON file of a run, then pages; docs/benchmarks.md by default.
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

function table({ title, comparisons }: BenchmarkResult): string {
  const head = "| what | ours | beside | ratio or difference | target |\n|---|---|---|---|---|";
  const notes = comparisons.flatMap(({ title, note }) => (note === undefined ? [] : [`- ${title}: ${note}`]));
  return [`**${title}**`, [head, ...comparisons.map(row)].join("\n"), notes.join("\n")]
    .filter((part) => part !== "")
    .join("\n\n");
}

export function renderFigures(result: RunResult): string {
  return [describeRun(result), ...result.benchmarks.map(table)].join("\n\n");
}

async function fill(page: string, figures: string): Promise<void> {
  const text = await readFile(page, "utf8");
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${page} has no ${begin} … ${end}`);
  await writeFile(page, `${text.slice(0, from + begin.length)}\n${figures}\n${text.slice(to)}`);
}

const [file, ...pages] = process.argv.slice(2);
if (file === undefined) {
  console.error("usage: node out/bench/report.js RESULT.json [PAGE.md …]");
  process.exitCode = 2;
} else {
  const figures = renderFigures(await readResult(file));
  for (const page of pages.length > 0 ? pages : [join(root, "docs", "benchmarks.md")])
    await fill(page, figures);
}
