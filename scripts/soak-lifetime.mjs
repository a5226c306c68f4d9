// Starts and terminates 10,000 workers under QUIC traffic on each version of Node.js: soak-lifetime.mjs [cycles] [22,24]
// Takes about an hour; not for CI, which runs fewer. The tree must be set up and built (npm test does both).
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { runMain, SetupFailure } from "./setup/failure.mjs";
import { root } from "./setup/tree.mjs";

/** One test run's worth, far below its time limit also on a busy machine: progress is shown after each. */
const cyclesARun = 250;

await runMain(async () => {
  const [total = "10000", majors = "20,22,24"] = process.argv.slice(2);
  if (!/^[1-9]\d*$/.test(total))
    throw new SetupFailure("usage: npm run soak:lifetime -- [cycles] [20,22,24]");
  for (const major of majors.split(",")) {
    for (let done = 0; done < Number(total); ) {
      const cycles = Math.min(cyclesARun, Number(total) - done);
      const { status } = spawnSync(
        process.execPath,
        [join(root, "scripts", "node-versions.mjs"), major, "out/test/lifetime/workers.test.js"],
        { cwd: root, stdio: "inherit", env: { ...process.env, MILLRACE_CYCLES: String(cycles) } },
      );
      if (status !== 0)
        throw new SetupFailure(`Node.js ${major} failed after ${done} to ${done + cycles} cycles`);
      done += cycles;
      console.log(`Node.js ${major}: ${done} of ${total} cycles`);
    }
  }
});
