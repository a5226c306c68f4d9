import { parseArgs } from "node:util";
import { SetupFailure } from "./failure.mjs";

const options = {
  help: { type: "boolean", short: "h" },
  drops: { type: "string" },
  seed: { type: "string" },
  transports: { type: "string" },
  history: { type: "string" },
  sabotage: { type: "string" },
  json: { type: "boolean" },
};

const help = `Usage: npm run prove:client -- [options]

Drops connections of clients, in every way there is, while they and their server send to each other, and compares what
came with what was sent: nothing that was acknowledged is lost, nothing is applied twice, each lane is in order, and
whatever is missing was declared. It ends with 1 where that is not so.

  --drops=N           connections that are lost or left, at least; 10000 by default
  --seed=N            repeats the histories of a run, which prints its own; what the network makes of them is its own
  --transports=LIST   of quic, ws and tcp, which sessions move between; all of them by default
  --history=N         plays the one of a seed's histories again and again that a fault has named
  --sabotage=WHAT     spoils dedupe, replay, handling, order or topics on purpose: the proof must find it, and ends then
  --json              the result as one line of JSON, with all faults
  -h, --help          this; builds nothing`;

/**
 * Looks at the arguments of `npm run prove:client` before anything is built for them.
 * @returns the help, where that is asked for
 * @throws SetupFailure for what the program would not take
 */
export function checkProveArguments(given) {
  const values = parse(given);
  if (values.help) return help;
  checkNumber("drops", values.drops ?? "1", 1, 1e9);
  checkNumber("history", values.history ?? "0", 0, 1e9);
  checkNumber("seed", values.seed ?? "0", 0, 2 ** 31 - 1);
  checkWords("transports", (values.transports ?? "tcp").split(","), ["quic", "ws", "tcp"]);
  checkWords("sabotage", [values.sabotage ?? "replay"], ["dedupe", "replay", "handling", "order", "topics"]);
  return undefined;
}

function parse(given) {
  try {
    return parseArgs({ args: given, options }).values;
  } catch (cause) {
    throw new SetupFailure(`${cause.message.split(". ")[0]} (npm run prove:client -- --help says more)`);
  }
}

function checkNumber(name, text, least, most) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new SetupFailure(`--${name} must be ${least}..${most}, not ${text}`);
}

function checkWords(name, words, known) {
  const unknown = words.find((word) => !known.includes(word));
  if (unknown === undefined) return;
  throw new SetupFailure(`--${name} has no "${unknown}"; there are ${known.join(", ")}`);
}
