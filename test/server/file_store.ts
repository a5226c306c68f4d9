import { open, readFile } from "node:fs/promises";
import type { Store, StoredMessage } from "millrace/server";

/** A line for each message, written when it is handed to the operating system: it survives `kill -9`. */
export class FileStore implements Store {
  readonly durability = "process";
  readonly #file: ReturnType<typeof open>;
  #lines: string[] = [];
  /** The write that takes all lines that come until the one before is done. */
  #next: Promise<void> | undefined = undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#file = open(path, "a");
  }

  append({ clientId, payload }: StoredMessage): Promise<void> {
    this.#lines.push(`${JSON.stringify({ clientId, text: Buffer.from(payload).toString() })}\n`);
    this.#next ??= this.#last.then(() => this.#write());
    this.#last = this.#next;
    return this.#next;
  }

  async #write(): Promise<void> {
    this.#next = undefined;
    const lines = this.#lines.join("");
    this.#lines = [];
    await (await this.#file).write(lines);
  }

  /** What a process that came after it finds; a line that was cut off was never acknowledged. */
  static async read(path: string): Promise<string[]> {
    const lines = (await readFile(path, "utf8")).split("\n").slice(0, -1);
    return lines.map((line) => (JSON.parse(line) as { text: string }).text);
  }
}
