import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { Authority } from "millrace/testing";
import { currentPlatform, platformName } from "#internal/native/platform.js";

const repository = resolve(import.meta.dirname, "../../..");
const packages = join(repository, "build", "packages");
const run = promisify(execFile);

/** A program of someone who installed millrace: echoes one message over the transports named in argv. */
const program = `
import { readFileSync } from "node:fs";
import { connect, listen } from "millrace";

const identity = JSON.parse(readFileSync("identity.json", "utf8"));
for (const scheme of process.argv.slice(2)) {
  try {
    console.log(JSON.stringify(await echo(scheme)));
  } catch (error) {
    console.log(JSON.stringify({ scheme, code: error.code, message: error.message }));
  }
}

async function echo(scheme) {
  const { certificate, privateKey, ca } = identity;
  const listener = await listen(
    scheme + "://127.0.0.1:0",
    { message: (connection, bytes) => connection.send(bytes) },
    { tls: scheme === "ws" ? undefined : { certificate, privateKey } },
  );
  const [url] = listener.urls;
  const connection = await connect(url, undefined, { tls: scheme === "ws" ? undefined : { ca } });
  connection.send(new TextEncoder().encode("over " + scheme));
  let answer;
  for await (const bytes of connection) {
    answer = new TextDecoder().decode(bytes);
    break;
  }
  await connection.close();
  await listener.close();
  return { scheme, transport: connection.transport, answer };
}
`;

let folder: string;

function npmInstall(...targets: string[]): void {
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
  execFileSync("npm", ["install", ...options, ...targets], { cwd: folder, stdio: "pipe" });
}

interface Outcome {
  readonly scheme: string;
  readonly transport?: string;
  readonly answer?: string;
  readonly code?: string;
  readonly message?: string;
}

async function echoOver(...schemes: string[]): Promise<Outcome[]> {
  // Without the override that a run against another build of the addon sets.
  const { MILLRACE_ADDON: _, ...env } = process.env;
  const options = { cwd: folder, env, timeout: 120_000 };
  const { stdout } = await run(process.execPath, ["program.js", ...schemes], options);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Outcome);
}

describe("the published packages", () => {
  const platform = platformName(currentPlatform());
  const platformFolder = () => join(folder, "node_modules", "@millrace", platform);

  before(async () => {
    execFileSync(process.execPath, ["scripts/pack.mjs"], { cwd: repository, stdio: "pipe" });
    folder = mkdtempSync(join(tmpdir(), "millrace-install-"));
    const authority = await Authority.make();
    const identity = { ...(await authority.issue()), ca: authority.certificate };
    writeFileSync(join(folder, "identity.json"), JSON.stringify(identity));
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    writeFileSync(join(folder, "program.js"), program);
    const tarballs = readdirSync(packages).filter((name) => name.endsWith(".tgz"));
    npmInstall(...tarballs.map((name) => join(packages, name)));
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it("hold nothing that npm would run or compile, and no source that is not needed", () => {
    const installed = join(folder, "node_modules", "millrace");
    const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as Record<
      string,
      unknown
    >;
    assert.equal(manifest.scripts, undefined);
    assert.equal(manifest.devDependencies, undefined);
    for (const absent of ["binding.gyp", "CMakeLists.txt", "native", "bindings", "test", "build"]) {
      assert.equal(existsSync(join(installed, absent)), false, absent);
    }
    const binary = readdirSync(platformFolder()).filter((name) => name.endsWith(".node"));
    assert.deepEqual(binary, ["millrace.node"]);
    assert.deepEqual(manifest.peerDependenciesMeta, {
      fflate: { optional: true },
      jose: { optional: true },
      msgpackr: { optional: true },
    });
    const readme = readFileSync(join(installed, "README.md"), "utf8");
    for (const [, path] of readme.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(join(installed, path!)), `README.md links to ${path}`);
    }
  });

  it("say which package to install where MessagePack is asked for", async () => {
    const code = 'import("millrace/msgpack").catch((error) => console.log(error.code, error.message))';
    const { stdout } = await run(process.execPath, ["-e", code], { cwd: folder });
    assert.match(stdout, /^ERR_MILLRACE_PACKAGE_MISSING .*npm install msgpackr@2\n$/);
  });

  it("say which package to install where tokens are to be checked", async () => {
    const code = `import { jwt } from "millrace/middleware";
      const key = new Uint8Array(32);
      const options = { key, algorithms: ["HS256"], issuer: "a", audience: "b", singleUse: false };
      await jwt(options).catch((error) => console.log(error.code, error.message));`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", code], { cwd: folder });
    assert.match(stdout, /^ERR_MILLRACE_PACKAGE_MISSING .*npm install jose@6\n$/);
  });

  it("echo over QUIC and WebSocket with install scripts off", async () => {
    assert.deepEqual(await echoOver("quic", "ws", "wss"), [
      { scheme: "quic", transport: "quic", answer: "over quic" },
      { scheme: "ws", transport: "websocket", answer: "over ws" },
      { scheme: "wss", transport: "websocket", answer: "over wss" },
    ]);
  });

  it("give the command line", async () => {
    const bin = join(folder, "node_modules", ".bin", "millrace");
    const { stdout } = await run(bin, ["--version"], { cwd: folder });
    const { version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
      version: string;
    };
    assert.equal(stdout.trim(), version);
  });

  it("without the platform's package, still speak WebSocket and say what QUIC lacks", async () => {
    rmSync(platformFolder(), { recursive: true });
    const [quic, websocket] = await echoOver("quic", "ws");
    assert.equal(quic?.code, "ERR_MILLRACE_ADDON_UNAVAILABLE");
    assert.match(quic?.message ?? "", new RegExp(`@millrace/${platform}: not installed`));
    assert.match(quic?.message ?? "", new RegExp(`npm install @millrace/${platform}@`));
    assert.deepEqual(websocket, { scheme: "ws", transport: "websocket", answer: "over ws" });
  });
});
