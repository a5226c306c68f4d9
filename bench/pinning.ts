import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";

/**
 * Whether server and client get a core each. Without it the scheduler moves them about, and the figures with them.
 * It takes two cores and taskset (util-linux).
 */
export const pinned =
  availableParallelism() >= 2 && spawnSync("taskset", ["--version"], { stdio: "ignore" }).status === 0;

export const serverCore = 0;
export const clientCore = 1;

/** The command that runs another one on one core. */
export function onCore(core: number, command: readonly string[]): string[] {
  return pinned ? ["taskset", "--cpu-list", String(core), ...command] : [...command];
}

export function describePinning(): string {
  if (pinned) return `servers on core ${serverCore}, clients on core ${clientCore} (taskset)`;
  return "servers and clients not pinned to cores: expect more noise";
}
