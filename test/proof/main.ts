/** `npm run prove:client`: random drops of connections, and what came of all that was sent meanwhile. */
import { parseArgs } from "node:util";
import { type DropsResult, playDrops } from "./drops.js";
import { type Scheme, schemes } from "./matrix.js";
import { sabotages } from "./sabotage.js";

const { values } = parseArgs({
  options: {
    drops: { type: "string", default: "10000" },
    seed: { type: "string", default: `${Date.now() % 2 ** 31}` },
    transports: { type: "string", default: schemes.join(",") },
    history: { type: "string" },
    sabotage: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const drops = Number(values.drops);
const seed = Number(values.seed);
const startedAt = performance.now();
if (values.sabotage !== undefined) sabotages[values.sabotage as keyof typeof sabotages]();
/** What is spoilt on purpose is found soon, or not at all: that is not waited for as long as what is sound may take. */
const negative =
  values.sabotage === undefined ? {} : { untilFault: true, patience: { stepMs: 20_000, restMs: 10_000 } };

const barWidth = 30;

/** A bar on a terminal; a line now and then anywhere else. */
function show({ drops: done, came, faults }: DropsResult): void {
  const part = Math.min(1, done / drops);
  const text = `${Math.min(done, drops)} of ${drops} drops, ${came} messages came, ${faults.length} faults`;
  if (process.stderr.isTTY) {
    const bar = "#".repeat(Math.round(part * barWidth)).padEnd(barWidth);
    process.stderr.write(`\r[${bar}] ${text}\u001b[K`);
  } else if (part >= nextShown) {
    process.stderr.write(`${text}\n`);
    nextShown = part + 0.1;
  }
}

let nextShown = 0.1;
const result = await playDrops({
  ...{ drops, seed, ...negative },
  only: values.history === undefined ? undefined : Number(values.history),
  schemes: values.transports.split(",") as Scheme[],
  progress: show,
});
if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
const seconds = Math.round((performance.now() - startedAt) / 1_000);
if (values.json) console.log(JSON.stringify({ seed, seconds, ...result }));
else {
  const { faults, ...figures } = result;
  for (const [name, value] of Object.entries({ seed, seconds, ...figures })) {
    console.log(`${name.padEnd(16)} ${value}`);
  }
  for (const fault of faults) console.log(`fault: ${fault}`);
  console.log(verdictOn(faults.length));
}
process.exit(result.faults.length === 0 ? 0 : 1);

function verdictOn(faults: number): string {
  if (values.sabotage !== undefined && faults === 0) return "What was spoilt on purpose was NOT found.";
  return faults === 0 ? "All that was promised was kept." : "What was promised was not kept.";
}
