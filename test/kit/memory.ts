import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** What the process holds in memory, its JavaScript garbage collected: that of attackers in the same process too. */
export function residentBytes(): number {
  collect();
  return process.memoryUsage.rss();
}
