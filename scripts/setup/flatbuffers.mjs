import { existsSync } from "node:fs";
import { join } from "node:path";
import { runStep } from "./progress.mjs";
import { digest, readStamp, writeStamp } from "./stamp.mjs";
import { requireTools } from "./system.mjs";
import { listFiles, root } from "./tree.mjs";

const programs = join("test", "frame", "compat");
const venv = join("build", "compat", "python");
const goProgram = join("build", "compat", "go");

/** The FlatBuffers runtimes of Python and Go, whose frames ours must read: tests run a program of each. */
export async function installFlatBuffers() {
  await installPython();
  await buildGo();
}

async function installPython() {
  const requirements = join(programs, "python", "requirements.txt");
  const stamp = digest([requirements]);
  const python = join(venv, "bin", "python");
  if (readStamp("flatbuffers-python") === stamp && existsSync(join(root, python))) return;
  await requireTools(["python"]);
  const title = "Installing Python's FlatBuffers, whose frames are compared with ours";
  await runStep({
    name: "flatbuffers-venv",
    title,
    command: "python3",
    args: ["-m", "venv", "--clear", venv],
  });
  await runStep({
    name: "flatbuffers-python",
    title,
    command: python,
    args: ["-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "-r", requirements],
  });
  writeStamp("flatbuffers-python", stamp);
}

async function buildGo() {
  const folder = join(programs, "go");
  const stamp = digest(listFiles([folder]));
  if (readStamp("flatbuffers-go") === stamp && existsSync(join(root, goProgram))) return;
  await requireTools(["go"]);
  await runStep({
    name: "flatbuffers-go",
    title: "Building a program with Go's FlatBuffers, whose frames are compared with ours",
    command: "go",
    args: ["build", "-mod=readonly", "-o", join(root, goProgram), "."],
    cwd: join(root, folder),
  });
  writeStamp("flatbuffers-go", stamp);
}
