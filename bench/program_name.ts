import { basename } from "node:path";

/**
 * What a benchmark's program is called in messages, which are recorded with its figures: without its folder, which is
 * that of one machine, and its flags, which can be pages long. A program of Node is named by its file, and one that
 * does several things by what it was told to do: "millrace-bench-crates quic-client".
 */
export function nameOf(command: readonly string[]): string {
  const [program = "", ...rest] = command;
  const own =
    program === process.execPath ? rest.slice(rest.findIndex((word) => !word.startsWith("-"))) : command;
  const [file = program, task] = own;
  return task !== undefined && /^[a-z]+(-[a-z]+)*$/.test(task) ? `${basename(file)} ${task}` : basename(file);
}
