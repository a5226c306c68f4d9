import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { SetupFailure } from "./failure.mjs";
import { listFiles, root } from "./tree.mjs";

const options = {
  help: { type: "boolean", short: "h" },
  repetitions: { type: "string" },
  smoke: { type: "boolean" },
  json: { type: "string" },
  save: { type: "boolean" },
};

/** The names of all benchmarks, from their sources. */
export function benchmarkNames() {
  return listFiles(["bench"], { enter: (path) => path === "bench", take: (path) => path.endsWith(".ts") })
    .map((path) => readFileSync(join(root, path), "utf8"))
    .flatMap((source) => /: Benchmark = \{\n {2}name: "([^"]+)"/.exec(source)?.[1] ?? [])
    .sort();
}

/**
 * Looks at the arguments of `npm run bench` before anything is built for them: the benchmarks' own program, which reads
 * them again, has to be built first.
 * @returns the help, where that is asked for
 * @throws SetupFailure for what the program would not take
 */
export function checkBenchArguments(given) {
  const names = benchmarkNames();
  const { values, positionals } = parse(given);
  if (values.help) return helpOf(names);
  const unknown = positionals.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new SetupFailure(`there is no benchmark ${unknown}; there are ${names.join(", ")}`);
  const { repetitions = "1" } = values;
  if (!(Number.isInteger(Number(repetitions)) && Number(repetitions) >= 1 && Number(repetitions) <= 100))
    throw new SetupFailure(`--repetitions must be 1..100, not ${repetitions}`);
  return undefined;
}

function parse(given) {
  try {
    return parseArgs({ args: given, options, allowPositionals: true });
  } catch (cause) {
    // Further sentences are about arguments of another kind than these.
    throw new SetupFailure(`${cause.message.split(". ")[0]} (npm run bench -- --help says more)`);
  }
}

function helpOf(names) {
  return `Usage: npm run bench -- [options] [benchmarks...]

Measures millrace beside its peers, in the same run and in turn. The first run builds them, which takes minutes.

Benchmarks, all of them by default:
${names.map((name) => `  ${name}`).join("\n")}

Options:
  --repetitions <count>  how often each is measured (default: 5)
  --smoke                only see whether they run: a fraction of a second each
  --json <file>          write the figures to a file
  --save                 write the figures to bench/results, under today's date
  -h, --help             say this, and build nothing`;
}
