import type { LogFields, Logger, LogLevel } from "../middleware/index.js";
import { colours } from "./terminal.js";

/** What `--log` takes: the least grave that is written, or nothing. */
export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogChoice = (typeof logLevels)[number];

const paint = { debug: "dim", info: "cyan", warn: "yellow", error: "red" } as const satisfies Record<
  LogLevel,
  "dim" | "cyan" | "yellow" | "red"
>;

/** A logger that writes to stderr: lines for people, or of JSON for machines. Undefined for `silent`. */
export function stderrLogger(least: LogChoice, json: boolean): Logger | undefined {
  if (least === "silent") return undefined;
  const line = json ? jsonLine : peopleLine;
  const at = (level: LogLevel) => (fields: LogFields, event: string) => {
    if (logLevels.indexOf(level) >= logLevels.indexOf(least))
      process.stderr.write(`${line(level, event, fields)}\n`);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function jsonLine(level: LogLevel, event: string, fields: LogFields): string {
  return JSON.stringify({ time: new Date().toISOString(), level, event, ...fields });
}

/** The logging middleware has cleaned what clients say. */
function peopleLine(level: LogLevel, event: string, fields: LogFields): string {
  const words = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === "string" ? quoted(value) : value}`);
  const painted = colours(process.stderr)[paint[level]](level);
  return [new Date().toISOString(), painted, event, ...words].join(" ");
}

function quoted(text: string): string {
  return /^[\w.:/-]+$/.test(text) ? text : JSON.stringify(text);
}
