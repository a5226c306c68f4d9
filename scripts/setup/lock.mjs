import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { root } from "./tree.mjs";

const lockFile = join(root, "build", "setup.lock");
const pollMs = 200;

/** Runs `work` while no other process sets this tree up: `npm start` and `npm test` may begin together. */
export async function withLock(work) {
  let told = false;
  while (!tryLock()) {
    if (!told) console.error(`Another set-up of this tree is running (${lockFile}); waiting for it`);
    told = true;
    await setTimeout(pollMs);
  }
  process.once("exit", unlock);
  try {
    return await work();
  } finally {
    process.off("exit", unlock);
    unlock();
  }
}

function tryLock() {
  mkdirSync(join(root, "build"), { recursive: true });
  try {
    writeFileSync(lockFile, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  if (!ownerLives()) rmSync(lockFile, { force: true });
  return false;
}

function ownerLives() {
  try {
    const pid = Number(readFileSync(lockFile, "utf8"));
    // An empty file belongs to a process that is about to write its number; ours is left from a time before.
    return pid !== process.pid && (pid === 0 || process.kill(pid, 0));
  } catch (error) {
    // ENOENT: released just now. EPERM: another user's process.
    return error.code !== "ESRCH";
  }
}

function unlock() {
  rmSync(lockFile, { force: true });
}
