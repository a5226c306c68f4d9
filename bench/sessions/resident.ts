import { readFileSync } from "node:fs";

/** The bytes of this process's memory that are resident, its shared memory included. */
export function residentBytes(): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
}
