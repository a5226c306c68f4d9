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

/** Columns side by side: the first to the left, numbers to the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd();
  return [header, ...rows].map((cells) => `${line(cells)}\n`).join("");
}
