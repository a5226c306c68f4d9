import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { AddonUnavailableError } from "#internal/errors.js";
import { type AddonSearch, findAddon } from "#internal/native/addon.js";
import { currentPlatform, isOlder, type Platform, platformName } from "#internal/native/platform.js";

const debian: Platform = { os: "linux", arch: "x64", libc: "gnu", libcVersion: "2.36", node: "v20.20.0" };

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "millrace-addon-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(file: string, content: string): string {
  const path = join(root, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** A package root of version 1.2.3; a published one names its platform packages. */
function putManifest(platforms?: readonly string[]): void {
  const optionalDependencies =
    platforms && Object.fromEntries(platforms.map((name) => [`@millrace/${name}`, "1.2.3"]));
  put("package.json", JSON.stringify({ name: "millrace", version: "1.2.3", optionalDependencies }));
}

/** Stands in for a platform package; JavaScript exports what the addon would. */
function putPlatformPackage(version: string): string {
  const folder = "node_modules/@millrace/linux-x64-gnu";
  put(`${folder}/package.json`, JSON.stringify({ name: "@millrace/linux-x64-gnu", main: "addon.js" }));
  return put(`${folder}/addon.js`, `exports.version = "${version}";`);
}

function failure(search: Partial<AddonSearch> = {}): string {
  try {
    findAddon({ root, override: undefined, platform: () => debian, ...search });
  } catch (error) {
    assert.ok(error instanceof AddonUnavailableError);
    assert.equal(error.code, "ERR_MILLRACE_ADDON_UNAVAILABLE");
    return error.message;
  }
  assert.fail("an addon was found");
}

describe("looking for the addon", () => {
  it("takes the platform's package where there is no development build", () => {
    putManifest(["linux-x64-gnu"]);
    putPlatformPackage("1.2.3");
    assert.equal(findAddon({ root, override: undefined, platform: () => debian }).version, "1.2.3");
  });

  it("takes the override and nothing else", () => {
    putManifest(["linux-x64-gnu"]);
    putPlatformPackage("1.2.3");
    const override = put("own.js", 'exports.version = "1.2.3"; exports.own = true;');
    const addon = findAddon({ root, override, platform: () => debian });
    assert.equal("own" in addon, true);

    const message = failure({ override: join(root, "absent.node") });
    assert.match(message, /MILLRACE_ADDON=.*absent\.node: no such file/);
    assert.match(message, /Correct or unset MILLRACE_ADDON/);
    assert.doesNotMatch(message, /@millrace/);
  });

  it("names platform, architecture, C library, Node.js and every place when it finds nothing", () => {
    putManifest(["linux-x64-gnu"]);
    const message = failure();
    assert.match(message, /millrace 1\.2\.3/);
    assert.match(message, /linux-x64-gnu \(glibc 2\.36\), Node\.js v20\.20\.0/);
    assert.match(message, /build\/cmake\/millrace\.node: no such file/);
    assert.match(message, /@millrace\/linux-x64-gnu: not installed/);
    assert.match(message, /npm install @millrace\/linux-x64-gnu@1\.2\.3/);
  });

  it("says how to build in the development tree", () => {
    putManifest();
    assert.match(failure(), /Build it: npm run setup/);
  });

  it("says that no binary is published for a platform, and which are", () => {
    putManifest(["linux-x64-gnu"]);
    const openbsd: Platform = {
      os: "openbsd",
      arch: "riscv64",
      libc: undefined,
      libcVersion: undefined,
      node: "v22.0.0",
    };
    const message = failure({ platform: () => openbsd });
    assert.match(message, /openbsd-riscv64, Node\.js v22\.0\.0/);
    assert.match(message, /no binary for this platform, only for @millrace\/linux-x64-gnu/);
  });

  it("refuses a binary of another version, in each place, and says so", () => {
    putManifest(["linux-x64-gnu"]);
    putPlatformPackage("1.2.2");
    const message = failure();
    assert.match(message, /wrong build: it was built for millrace 1\.2\.2, this is millrace 1\.2\.3/);
    assert.match(message, /Install millrace 1\.2\.3 and its @millrace\/linux-x64-gnu again/);
    const override = put("other.js", "exports.somethingElse = 1;");
    assert.match(failure({ override }), /built for something else/);
  });

  it("tells why a file that is not an addon does not load", () => {
    putManifest(["linux-x64-gnu"]);
    put("build/cmake/millrace.node", "not an ELF file");
    const message = failure();
    assert.match(message, /millrace\.node: .*(invalid ELF header|file too short|not a mach-o|not a valid)/i);
    assert.match(message, /@millrace\/linux-x64-gnu: not installed/);
  });

  it("says that the C library is too old, with both versions", () => {
    putManifest(["linux-x64-gnu"]);
    put("build/cmake/millrace.node", "does not load");
    const message = failure({ platform: () => ({ ...debian, libcVersion: "2.31" }) });
    assert.match(message, /glibc 2\.31\)/);
    assert.match(message, /glibc 2\.31 is older than the 2\.35/);
  });

  it("describes the running process", () => {
    const platform = currentPlatform();
    assert.equal(platform.node, process.version);
    assert.equal(platform.libc === undefined, process.platform !== "linux");
    assert.equal(platform.libc === "gnu", platform.libcVersion !== undefined);
    assert.ok(platformName(platform).startsWith(`${process.platform}-${process.arch}`));
  });

  it("compares versions by number, not by letter", () => {
    assert.equal(isOlder("2.9", "2.35"), true);
    assert.equal(isOlder("2.35", "2.35"), false);
    assert.equal(isOlder("3.0", "2.35"), false);
  });
});

describe("importing the loader", () => {
  it("loads nothing until the addon is asked for", () => {
    const script = `
      const { loadAddon } = await import("#internal/native/addon.js");
      try { loadAddon(); } catch (error) { console.log(error.code); }`;
    const env = { ...process.env, MILLRACE_ADDON: join(root, "absent.node") };
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { env });
    assert.equal(output.toString().trim(), "ERR_MILLRACE_ADDON_UNAVAILABLE");
  });
});
