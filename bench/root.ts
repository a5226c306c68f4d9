import { join } from "node:path";

/** The root of the source tree; this file runs as out/bench/root.js. */
export const root = join(import.meta.dirname, "..", "..");

/** The path of a native benchmark program, or of the benchmarks' addon. */
export function nativeProgram(name: string): string {
  return join(root, "build", "bench", name);
}
