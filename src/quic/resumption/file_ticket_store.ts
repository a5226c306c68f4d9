import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readOptions } from "../../options/read.js";
import { integer, object, option, withDefault } from "../../options/schema.js";
import type { TicketStore } from "../../transport/early_data.js";

const SUFFIX = ".ticket";

const schema = object({
  folder: option<string>("the path of a folder", (value) => typeof value === "string" && value !== ""),
  maxTickets: withDefault(integer(1, 1_000_000), 1_024),
});

/**
 * Keeps tickets in a folder, one file each, so that they outlive the process. The folder and the files are its user's
 * alone (0700, 0600), a file is written beside its place and then moved there, and its time of change is when the
 * ticket expires. Of more than `maxTickets` (1,024 by default) those that expire first go.
 */
export class FileTicketStore implements TicketStore {
  readonly #folder: string;
  readonly #maxTickets: number;

  /** @throws InvalidArgumentError */
  constructor(options: { readonly folder: string; readonly maxTickets?: number | undefined }) {
    const read = readOptions(schema, options);
    this.#folder = read.folder;
    this.#maxTickets = read.maxTickets;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const file = this.#fileOf(key);
    try {
      if ((await stat(file)).mtimeMs <= Date.now()) {
        await rm(file, { force: true });
        return undefined;
      }
      return await readFile(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  async set(key: string, ticket: Uint8Array, expiresAt: number): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const partial = join(this.#folder, `${randomUUID()}.partial`);
    try {
      await writeFile(partial, ticket, { mode: 0o600, flag: "wx" });
      await utimes(partial, new Date(), new Date(expiresAt));
      await rename(partial, this.#fileOf(key));
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
    await this.#forgetOldest();
  }

  /** Forgets a server's ticket. */
  async delete(key: string): Promise<void> {
    await rm(this.#fileOf(key), { force: true });
  }

  async #forgetOldest(): Promise<void> {
    const files = (await readdir(this.#folder)).filter((name) => name.endsWith(SUFFIX));
    if (files.length <= this.#maxTickets) return;
    const aged = await Promise.all(files.map((name) => this.#aged(join(this.#folder, name))));
    aged.sort((a, b) => a.expiresAt - b.expiresAt);
    for (const { file } of aged.slice(0, -this.#maxTickets)) await rm(file, { force: true });
  }

  async #aged(file: string): Promise<{ file: string; expiresAt: number }> {
    // Another process may have taken it meanwhile.
    return stat(file).then(
      ({ mtimeMs }) => ({ file, expiresAt: mtimeMs }),
      () => ({ file, expiresAt: 0 }),
    );
  }

  /** Keys name hosts, and may be long: the file's name tells neither. */
  #fileOf(key: string): string {
    return join(this.#folder, createHash("sha256").update(key).digest("hex") + SUFFIX);
  }
}
