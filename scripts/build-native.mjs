// Builds build/cmake/millrace.node alone: for binding.gyp, and for a system without the other tools.
import { runMain } from "./setup/failure.mjs";
import { withLock } from "./setup/lock.mjs";
import { buildAddon } from "./setup/native.mjs";

await runMain(() => withLock(buildAddon));
