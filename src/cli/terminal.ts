import type { WriteStream } from "node:tty";
import pc from "picocolors";

export type Colours = ReturnType<typeof pc.createColors>;

/** The colours of a stream: none where it is no terminal, or NO_COLOR says so. */
export function colours(stream: Pick<WriteStream, "isTTY">): Colours {
  return pc.createColors(stream.isTTY === true && pc.isColorSupported);
}

/** One line of JSON, for machines. */
export function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Columns side by side, text to the left, numbers to the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = header.map((title, index) => {
    const cells = rows.map((row) => row[index] ?? "");
    const width = Math.max(title.length, ...cells.map((cell) => cell.length));
    const numeric = cells.every((cell) => /^[\d–]/.test(cell));
    return (cell: string) => (numeric ? cell.padStart(width) : cell.padEnd(width));
  });
  return [header, ...rows]
    .map(
      (row) =>
        `${columns
          .map((pad, index) => pad(row[index] ?? ""))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}
