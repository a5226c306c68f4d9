import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { SetupFailure } from "./failure.mjs";
import { runStep } from "./progress.mjs";

/** rustup puts cargo here, and not every shell's PATH knows. */
process.env.PATH += delimiter + join(homedir(), ".cargo", "bin");

/** lzma-rust2, which msquic-src needs, asks for this one. */
const oldestCargo = [1, 85];

/**
 * What the set-up takes from the system: the commands of which one must be there (or the files that all
 * must), and the packages that have them, by package manager. Where apt has no fitting package (`apt: undefined`), nothing is installed.
 */
const tools = {
  cmake: { commands: ["cmake"], apt: "cmake", dnf: "cmake", apk: "cmake", brew: "cmake" },
  make: { commands: ["make", "gmake"], apt: "make", dnf: "make", apk: "make", brew: "make" },
  perl: { commands: ["perl"], apt: "perl", dnf: "perl", apk: "perl", brew: "perl" },
  compiler: {
    commands: process.env.CXX ? [process.env.CXX] : ["c++", "g++", "clang++"],
    apt: "g++",
    dnf: "gcc-c++ libstdc++-static",
    apk: "g++ linux-headers",
    brew: "llvm",
  },
  cargo: { commands: ["cargo"], fits: cargoFits, apt: undefined, dnf: "cargo", apk: "cargo", brew: "rust" },
  chromium: {
    commands: ["chromium", "chromium-browser", "google-chrome"],
    apt: "chromium",
    dnf: "chromium",
    apk: "chromium",
    brew: "chromium",
  },
  clang: {
    commands: ["clang++-14"],
    apt: "clang-14 libclang-rt-14-dev",
    dnf: "clang",
    apk: "clang",
    brew: "llvm",
  },
  "clang-format": {
    commands: ["clang-format-14"],
    apt: "clang-format-14",
    dnf: "clang-tools-extra",
    apk: "clang-extra-tools",
    brew: "llvm",
  },
  "clang-tidy": {
    commands: ["clang-tidy-14"],
    apt: "clang-tidy-14",
    dnf: "clang-tools-extra",
    apk: "clang-extra-tools",
    brew: "llvm",
  },
  go: { commands: ["go"], apt: "golang-go", dnf: "golang", apk: "go", brew: "go" },
  googletest: {
    files: ["/usr/src/googletest/CMakeLists.txt"],
    apt: "libgtest-dev",
    dnf: "gtest-devel",
    apk: "gtest-dev",
    brew: "googletest",
  },
  python: {
    commands: ["python3"],
    fits: pythonFits,
    apt: "python3-venv",
    dnf: "python3",
    apk: "python3",
    brew: "python",
  },
  ip: { commands: ["ip"], apt: "iproute2", dnf: "iproute", apk: "iproute2", brew: "iproute2mac" },
  nc: {
    commands: ["nc"],
    fits: ncFits,
    apt: "netcat-openbsd",
    dnf: "netcat",
    apk: "netcat-openbsd",
    brew: "netcat",
  },
  openssl: { commands: ["openssl"], apt: "openssl", dnf: "openssl", apk: "openssl", brew: "openssl" },
  tshark: { commands: ["tshark"], apt: "tshark", dnf: "wireshark-cli", apk: "tshark", brew: "wireshark" },
  tmux: { commands: ["tmux"], apt: "tmux", dnf: "tmux", apk: "tmux", brew: "tmux" },
};

/** What the native build needs. */
export const buildTools = ["cmake", "make", "perl", "compiler", "cargo"];
/**
 * What the tests need besides: a real browser, a real terminal, another language's stack, network namespaces, and
 * others who write certificates, read captures, and speak TCP by hand.
 */
export const testTools = ["chromium", "tmux", "python", "ip", "openssl", "nc", "tshark"];
/** What the benchmarks need besides: a page in a browser. */
export const benchTools = ["chromium"];
/** What .ci/run needs besides: formatting, lint, fuzzing and the native tests. */
export const checkTools = ["clang", "clang-format", "clang-tidy", "googletest"];

/**
 * Makes sure that the named tools are there, installing what is missing through apt where this user may.
 * @throws SetupFailure with one line that says what to install, on each kind of system.
 */
export async function requireTools(names) {
  const missing = names.filter((name) => !isPresent(tools[name]));
  if (missing.length === 0) return;
  const packages = missing.flatMap((name) => tools[name].apt?.split(" "));
  const apt = aptCommand();
  if (apt === undefined || packages.includes(undefined)) throw new SetupFailure(advice(missing));

  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const title = `Installing ${packages.join(", ")}`;
  const [command, ...args] = apt;
  await runStep({
    name: "apt-update",
    title: "Reading the package lists",
    command,
    args: [...args, "update"],
    env,
  });
  const install = [...args, "install", "-y", "--no-install-recommends", ...packages];
  await runStep({ name: "apt-install", title, command, args: install, env });
}

function isPresent(tool) {
  const found = tool.commands?.some(onPath) ?? tool.files.every((file) => existsSync(file));
  return found && (tool.fits === undefined || tool.fits());
}

/** The path of a command, if PATH has it. */
export function onPath(command) {
  const candidates = command.includes("/")
    ? [command]
    : process.env.PATH.split(delimiter).map((folder) => join(folder, command));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function cargoFits() {
  const [, major, minor] = /^cargo (\d+)\.(\d+)/.exec(output("cargo", ["--version"])) ?? [];
  return (
    Number(major) > oldestCargo[0] || (Number(major) === oldestCargo[0] && Number(minor) >= oldestCargo[1])
  );
}

/** Debian's python3 makes no virtual environments on its own. */
function pythonFits() {
  return output("python3", ["-c", "import ensurepip, sys; assert sys.version_info >= (3, 11)"]) !== undefined;
}

/** OpenBSD's, which ends its side of a connection where its input ends (-N); it tells its options on stderr. */
function ncFits() {
  const { stderr } = spawnSync("nc", ["-h"], { encoding: "utf8" });
  return stderr.startsWith("OpenBSD netcat") || /-N\b/.test(stderr);
}

/** apt-get with the right to install, or undefined where there is none. */
function aptCommand() {
  if (onPath("apt-get") === undefined) return undefined;
  if (process.getuid() === 0) return ["apt-get"];
  return output("sudo", ["-n", "true"]) === undefined ? undefined : ["sudo", "-n", "apt-get"];
}

function output(command, args) {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return undefined;
  }
}

function advice(missing) {
  const cargo = `cargo ${oldestCargo.join(".")} or later`;
  const names = { compiler: "a C++ compiler", cargo };
  const packages = (manager) =>
    [...new Set(missing.map((name) => tools[name][manager]))].filter(Boolean).join(" ");
  const debian = [
    packages("apt") && `apt-get install ${packages("apt")}`,
    missing.includes("cargo") && `${cargo} from rustup.rs`,
  ];
  return (
    `missing: ${missing.map((name) => names[name] ?? name).join(", ")}. ` +
    `Install it: on Debian ${debian.filter(Boolean).join(" and ")}; on Fedora dnf install ${packages("dnf")}; ` +
    `on Alpine apk add ${packages("apk")}; on macOS brew install ${packages("brew")}`
  );
}
