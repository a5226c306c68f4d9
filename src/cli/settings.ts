import { constants } from "node:fs";
import { InvalidArgumentError } from "../index.js";
import { readOptions } from "../options/read.js";
import { isObject, number, object, oneOf, option, optional, withDefault } from "../options/schema.js";
import type { LimitOptions } from "../server/index.js";
import { openRegularFile, readAtMost } from "../transport/regular_file.js";
import { type LogChoice, logLevels } from "./log.js";

/** What of `millrace serve` may be another while it serves: what its file of settings says. */
export interface Settings {
  readonly log: LogChoice;
  /** What a member may send for long; twice that at once. */
  readonly messagesPerSecond: number;
  /** As those of `createServer`. */
  readonly limits: LimitOptions;
}

const maxFileBytes = 65_536;
const decoder = new TextDecoder("utf-8", { fatal: true });

const schema = object({
  log: optional(oneOf(...logLevels)),
  messagesPerSecond: withDefault(number(1, 1e6), 10),
  limits: withDefault(option<LimitOptions>("an object of limits", isObject), {}),
} satisfies Record<keyof Settings, unknown>);

/**
 * @param path a file of JSON; without one all is as it is without settings.
 * @param log where the file does not say.
 * @throws InvalidArgumentError naming the file and what is wrong with it
 */
export async function readSettings(path: string | undefined, log: LogChoice): Promise<Settings> {
  const read =
    path === undefined
      ? readOptions(schema, {})
      : readOptions(schema, await readJson(path), path, `${path}: `);
  return { ...read, log: read.log ?? log };
}

async function readJson(path: string): Promise<unknown> {
  try {
    const file = await openRegularFile(path, constants.O_RDONLY);
    if (file === undefined) throw new Error("it is no regular file");
    const bytes = await readAtMost(file, maxFileBytes).finally(() => file.close());
    if (bytes === undefined) throw new Error(`it is larger than ${maxFileBytes} bytes`);
    return JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new InvalidArgumentError(`the settings in ${path} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}
