import { existsSync } from "node:fs";
import { join } from "node:path";
import { runStep } from "./progress.mjs";
import { digest, readStamp, writeStamp } from "./stamp.mjs";
import { requireTools } from "./system.mjs";
import { root } from "./tree.mjs";

const folder = join("test", "interop", "aioquic");
const venv = join(folder, "venv");

/** Installs aioquic, the other peer of the interoperability tests, in a virtual environment of its own. */
export async function installAioquic() {
  const requirements = join(folder, "requirements.txt");
  const stamp = digest([requirements]);
  if (readStamp("aioquic") === stamp && existsSync(join(root, venv, "bin", "python"))) return;
  await requireTools(["python"]);
  const title = "Installing aioquic, a peer of the interoperability tests";
  await runStep({ name: "aioquic-venv", title, command: "python3", args: ["-m", "venv", "--clear", venv] });
  await runStep({
    name: "aioquic",
    title,
    command: join(venv, "bin", "python"),
    args: ["-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "-r", requirements],
  });
  writeStamp("aioquic", stamp);
}
