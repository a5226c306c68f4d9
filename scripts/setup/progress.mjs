import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { SetupFailure } from "./failure.mjs";
import { root } from "./tree.mjs";

const redrawMs = 120;
const plainReportMs = 20_000;
const tailLines = 60;

/**
 * Runs one command of the set-up. While it runs, a terminal shows one line with the step, the time and the
 * command's last line; elsewhere plain lines tell that it lives. The whole output is in build/logs/NAME.log.
 * @throws SetupFailure with the end of the log.
 */
export async function runStep({ name, title, command, args, env = process.env, cwd = root }) {
  const logFile = join(root, "build", "logs", `${name}.log`);
  mkdirSync(join(root, "build", "logs"), { recursive: true });
  const log = createWriteStream(logFile);
  log.write(`$ ${command} ${args.join(" ")}\n`);
  const display = showStep(title);

  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  for (const output of [child.stdout, child.stderr]) {
    output.setEncoding("utf8").on("data", (text) => {
      log.write(text);
      display.output(text);
    });
  }
  const outcome = await new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? code}`));
  });
  await new Promise((resolve) => log.end(resolve));
  display.end(outcome === undefined);
  if (outcome === undefined) return;
  const tail = readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-tailLines).join("\n");
  throw new SetupFailure(`${title}: ${outcome}; the whole log is ${relative(process.cwd(), logFile)}`, tail);
}

function showStep(title) {
  const started = performance.now();
  const elapsed = () => {
    const seconds = Math.floor((performance.now() - started) / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  };
  let last = "";
  const output = (text) => {
    last =
      text
        .trimEnd()
        .split(/[\r\n]/)
        .pop() || last;
  };
  return process.stderr.isTTY
    ? lineOnTerminal(title, elapsed, output, () => last)
    : plainLines(title, elapsed, output, () => last);
}

function lineOnTerminal(title, elapsed, output, last) {
  const draw = () => {
    const line = `${title}  ${elapsed()}  ${printable(last())}`;
    process.stderr.write(`\r\x1b[2K${line.slice(0, (process.stderr.columns || 80) - 1)}`);
  };
  draw();
  const timer = setInterval(draw, redrawMs);
  const end = (ok) => {
    clearInterval(timer);
    process.stderr.write(`\r\x1b[2K${title}  ${elapsed()}  ${ok ? "done" : "failed"}\n`);
  };
  return { output, end };
}

function plainLines(title, elapsed, output, last) {
  process.stderr.write(`${title} ...\n`);
  const timer = setInterval(
    () => process.stderr.write(`  ${elapsed()}  ${printable(last())}\n`),
    plainReportMs,
  );
  const end = (ok) => {
    clearInterval(timer);
    process.stderr.write(`${title}: ${ok ? "done" : "failed"} in ${elapsed()}\n`);
  };
  return { output, end };
}

/** A tool's line without what would move the cursor. */
function printable(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are made of them
  return text.replace(/\x1b\[[0-9;]*[A-Za-z]|[\x00-\x1f]/g, "");
}
