// Puts the figures of runs into docs/benchmarks.md, and those that have a target into README.md, between the pages' two
// figures marks: no figure there that was not measured. Arguments: the JSON files of the runs, oldest first; where several
// have the same benchmark, the last one's figures stand. With --part NAME they go between that name's marks in
// docs/benchmarks.md alone.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Comparison } from "./benchmark.js";
import { formatOutcome, formatSpread, formatStanding, formatTarget } from "./print.js";
import { type BenchmarkResult, type RunResult, readResult } from "./results.js";
import { root } from "./root.js";

/** Those of the whole run, or of one part of it. */
function marksOf(part: string | undefined): readonly [begin: string, end: string] {
  const name = part === undefined ? "" : ` ${part}`;
  return [`<!-- figures:begin${name} -->`, `<!-- figures:end${name} -->`];
}

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

const shortHead = "| what | ours | beside, and the target |\n|---|---|---|";

/** What has a target, in one table: a row for each figure of ours, beside all that it is held to. */
function renderSummary(result: RunResult): string {
  const rows = result.benchmarks.flatMap(({ title, comparisons }) => {
    const figures = new Map<string, Comparison[]>();
    for (const comparison of comparisons.filter(({ target }) => target !== undefined)) {
      const figure = `${comparison.title} of ${comparison.ours.name}`;
      figures.set(figure, [...(figures.get(figure) ?? []), comparison]);
    }
    return [...figures.values()].map((beside) => shortRow(title.split(":")[0]!, beside));
  });
  return rows.length === 0 ? "" : `${describeRun(result)}\n\n${[shortHead, ...rows].join("\n")}\n\n`;
}

function shortRow(benchmark: string, comparisons: readonly Comparison[]): string {
  const { title, unit, ours } = comparisons[0]!;
  const beside = comparisons.map(
    (comparison) =>
      `${formatStanding(comparison)} ${comparison.peer.name} (${formatTarget(comparison.target!)}, ${formatOutcome(comparison)})`,
  );
  return `| ${benchmark}; ${title}, ${unit} | ${ours.name}: ${formatSpread(ours.values)} | ${beside.join("; ")} |`;
}

/** The runs without what a later one measured again; none of which nothing is left. */
function standing(runs: readonly RunResult[]): RunResult[] {
  const last = new Map(runs.flatMap((run) => run.benchmarks.map(({ name }) => [name, run] as const)));
  return runs
    .map((run) => ({ ...run, benchmarks: run.benchmarks.filter(({ name }) => last.get(name) === run) }))
    .filter(({ benchmarks }) => benchmarks.length > 0);
}

async function fill(page: string, figures: string, part?: string): Promise<void> {
  const [begin, end] = marksOf(part);
  const text = await readFile(join(root, page), "utf8");
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${page} has no ${begin} … ${end}`);
  await writeFile(join(root, page), `${text.slice(0, from + begin.length)}\n${figures}\n${text.slice(to)}`);
}

const { values, positionals: files } = parseArgs({
  options: { part: { type: "string" } },
  allowPositionals: true,
});
if (files.length === 0) {
  console.error("usage: node out/bench/report.js [--part NAME] RESULT.json...");
  process.exitCode = 2;
} else {
  const runs = standing(await Promise.all(files.map(readResult)));
  await fill(join("docs", "benchmarks.md"), runs.map(renderFigures).join("\n\n"), values.part);
  if (values.part === undefined) await fill("README.md", runs.map(renderSummary).join("").trimEnd());
}
