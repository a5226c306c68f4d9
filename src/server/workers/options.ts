import { availableParallelism } from "node:os";
import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import type { Complete } from "../../options/complete.js";
import { readOptions } from "../../options/read.js";
import { integer, object, option, optional, powerOfTwo, withDefault } from "../../options/schema.js";

/** How a server is run in several threads. */
export interface WorkersOptions {
  /**
   * The application: a module that calls `createServer`, as it would alone. A URL, such as
   * `new URL("./app.js", import.meta.url)`, or an absolute path.
   */
  readonly module: URL | string;
  /** How many threads, 1..63; `"auto"`, the default, is as many as the machine runs at once. */
  readonly workers?: number | "auto" | undefined;
  /** How many sessions there may be in all threads together, 2..1,048,576; 65,536 by default. The servers' own is not asked. */
  readonly maxSessions?: number | undefined;
  /**
   * What may be on its way from one thread to another: a power of two, 64 KiB..1 GiB; 4 MiB by default. The largest message that goes
   * there has a little less than half of it. There is one for each pair of threads, and memory is taken as it is used.
   */
  readonly inboxBytes?: number | undefined;
  /** What the module finds as `workerData` of `node:worker_threads`; cloned. */
  readonly workerData?: unknown;
  /** How long a worker may take until its server listens, 100..3,600,000 ms; 30,000 by default. */
  readonly startTimeoutMs?: number | undefined;
}

const maxWorkers = 63;

/** How these are read, with their defaults. */
export const workersOptions = {
  module: option<URL | string>(
    "a URL of file:, data: or node:, or an absolute path",
    (value) => (value instanceof URL || typeof value === "string") && moduleUrl(value) !== undefined,
  ),
  workers: withDefault(
    option<number | "auto">(
      `an integer from 1 to ${maxWorkers}, or "auto"`,
      (value) =>
        value === "auto" || (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= maxWorkers),
    ),
    "auto",
  ),
  maxSessions: withDefault(integer(2, 2 ** 20), 65_536),
  inboxBytes: withDefault(powerOfTwo(2 ** 16, 2 ** 30), 2 ** 22),
  workerData: optional(option<unknown>("anything that can be cloned", canBeCloned)),
  startTimeoutMs: withDefault(integer(100, 3_600_000), 30_000),
} satisfies Record<keyof WorkersOptions, unknown>;
const schema = object(workersOptions);

/** {@link WorkersOptions}, as they are read. */
export interface ReadWorkersOptions {
  /** A URL. */
  readonly module: string;
  readonly workers: number;
  readonly maxSessions: number;
  readonly inboxBytes: number;
  readonly workerData: unknown;
  readonly startTimeoutMs: number;
}

/** @throws InvalidArgumentError */
export function readWorkersOptions(options: WorkersOptions): ReadWorkersOptions {
  return resolved(readOptions(schema, options));
}

/** With what they stand for. */
export function resolved({
  module,
  workers,
  ...read
}: Omit<Complete<WorkersOptions>, "workerData"> & { readonly workerData?: unknown }): ReadWorkersOptions {
  return {
    ...{ ...read, workerData: read.workerData },
    module: moduleUrl(module)!,
    workers: workers === "auto" ? Math.min(availableParallelism(), maxWorkers) : workers,
  };
}

/** What Node.js loads modules from; undefined of anything else. */
function moduleUrl(module: URL | string): string | undefined {
  const text = String(module);
  if (typeof module === "string" && isAbsolute(module)) return pathToFileURL(module).href;
  return /^(file|data|node):/.test(text) && URL.canParse(text) ? text : undefined;
}

function canBeCloned(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
