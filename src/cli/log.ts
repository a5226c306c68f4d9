import type { LogFields, LogLevel } from "../middleware/index.js";
import { colours } from "./terminal.js";

/** What `--log` takes: the least grave that is written, or nothing. */
export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogChoice = (typeof logLevels)[number];

const paint = { debug: "dim", info: "cyan", warn: "yellow", error: "red" } as const satisfies Record<
  LogLevel,
  "dim" | "cyan" | "yellow" | "red"
>;

/** Writes to stderr what is grave enough, which may be another level later: lines for people, or of JSON for machines. */
export class StderrLog {
  level: LogChoice;
  readonly #line: typeof jsonLine;

  constructor(level: LogChoice, json: boolean) {
    this.level = level;
    this.#line = json ? jsonLine : peopleLine;
  }

  readonly write = (level: LogLevel, event: string, fields: LogFields): void => {
    if (logLevels.indexOf(level) < logLevels.indexOf(this.level)) return;
    process.stderr.write(`${this.#line(level, event, fields)}\n`);
  };
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
