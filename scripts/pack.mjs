// Makes the tarballs to publish, in build/packages: millrace itself, which never compiles anything, and this
// platform's package, which holds the native addon: pack.mjs, without arguments.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readArguments, runMain } from "./setup/failure.mjs";
import { msquicSources } from "./setup/native.mjs";
import { manifest, root } from "./setup/tree.mjs";
import { setUp } from "./setup.mjs";

/** The platforms that the published package names: those on which all tests were run, and no others. */
const published = ["linux-x64-gnu"];

const packages = join(root, "build", "packages");

await runMain(async () => {
  readArguments("npm run pack:all");
  await setUp();
  const { currentPlatform, platformName } = await import("../dist/native/platform.js");
  const platform = currentPlatform();

  rmSync(packages, { recursive: true, force: true });
  packMain();
  packPlatform(platform, platformName(platform));
});

function packMain() {
  const folder = stage("millrace");
  const { name, version, description, license, keywords, type, sideEffects, exports, bin, files, engines } =
    manifest;
  const { dependencies, peerDependencies, peerDependenciesMeta } = manifest;
  const included = files.filter((path) => !path.startsWith("!"));
  for (const path of [...included, "README.md", "LICENSE"]) {
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  chmodSync(join(folder, bin.millrace), 0o755);
  // No scripts and no binding.gyp: npm has nothing to run and nothing to compile.
  const optionalDependencies = Object.fromEntries(published.map((each) => [`@millrace/${each}`, version]));
  pack(folder, {
    ...{ name, version, description, license, keywords, type, sideEffects, exports, bin, files, engines },
    ...{ dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta },
  });
}

function packPlatform(platform, name) {
  const folder = stage(name);
  const addon = join(folder, "millrace.node");
  copyFileSync(join(root, "build", "cmake", "millrace.node"), addon);
  execFileSync("strip", platform.os === "darwin" ? ["-x", addon] : ["--strip-unneeded", addon]);
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  writeFileSync(join(folder, "THIRD_PARTY_NOTICES"), notices());
  writeFileSync(
    join(folder, "README.md"),
    `# @millrace/${name}\n\nThe native addon of millrace for ${name}. Install \`millrace\`, which brings it.\n`,
  );
  pack(folder, {
    name: `@millrace/${name}`,
    version: manifest.version,
    description: `The native addon of millrace for ${name}`,
    license: "MIT AND Apache-2.0",
    os: [platform.os],
    cpu: [platform.arch],
    ...(platform.libc && { libc: [platform.libc === "gnu" ? "glibc" : "musl"] }),
    engines: manifest.engines,
    main: "millrace.node",
    files: ["millrace.node", "THIRD_PARTY_NOTICES"],
  });
}

/** The licences of what is linked into the addon. */
function notices() {
  const upstream = msquicSources();
  const texts = [
    ["msquic", join(upstream, "LICENSE")],
    ["OpenSSL", join(upstream, "submodules", "openssl", "LICENSE.txt")],
  ];
  return texts.map(([what, file]) => `${what}\n\n${readFileSync(file, "utf8").trim()}\n`).join("\n\n");
}

function stage(name) {
  const folder = join(packages, "stage", name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

function pack(folder, packageJson) {
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(packageJson, null, 2)}\n`);
  const args = ["pack", folder, "--pack-destination", packages, "--ignore-scripts", "--json"];
  const [{ filename, size, unpackedSize }] = JSON.parse(execFileSync("npm", args, { encoding: "utf8" }));
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
  console.log(`build/packages/${filename}  ${megabytes(size)}, unpacked ${megabytes(unpackedSize)}`);
}
