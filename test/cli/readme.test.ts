import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connect } from "millrace";
import { until } from "../kit/until.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const run = promisify(execFile);

/** The code of the block that begins with a comment naming the file. */
function codeOf(file: string): string {
  const block = new RegExp(`\`\`\`js\\n// ${file.replace(".", "\\.")}\\n(.*?)\`\`\``, "s").exec(readme);
  assert.ok(block, `README.md has no ${file}`);
  return block[1]!;
}

/** Sends 32 MiB before it reads any of what comes back. */
async function assertLosesNothing(url: string, ca: string): Promise<void> {
  const count = 2_000;
  await using connection = await connect(url, {}, { tls: { ca }, highWaterMarkBytes: 64 * 1024 * 1024 });
  connection.pause();
  const message = Buffer.alloc(16 * 1024);
  for (let index = 0; index < count; index++) {
    message.writeUInt32LE(index);
    assert.equal(connection.send(message), "sent");
  }
  // The server has stopped reading when this queue stays as it is.
  let queued = -1;
  let unchangedLooks = 0;
  await until("the server holds back", () => {
    unchangedLooks = connection.bytesQueued === queued ? unchangedLooks + 1 : 0;
    queued = connection.bytesQueued;
    return unchangedLooks === 20;
  });
  connection.resume();
  let received = 0;
  for await (const answer of connection) {
    assert.equal(new DataView(answer.buffer, answer.byteOffset).getUint32(0, true), received);
    received += 1;
    if (received === count) break;
  }
}

/** A folder inside of the package, so that it finds itself by name, with the README's certificate. */
async function readmeFolder(): Promise<string> {
  const folder = mkdtempSync(join(root, "out", "readme-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const [certificate] = /openssl req [^`]+/.exec(readme)!;
  await run("sh", ["-ec", certificate], { cwd: folder });
  return folder;
}

/** Runs a server that prints its two URLs, for as long as they are used. */
async function withServer(
  folder: string,
  file: string,
  use: (urls: string[]) => Promise<void>,
): Promise<void> {
  const server = spawn(process.execPath, [file], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  try {
    const urls: string[] = [];
    for await (const line of createInterface({ input: server.stdout })) {
      urls.push(line);
      if (urls.length === 2) break;
    }
    await use(urls);
  } finally {
    server.kill();
  }
}

test("the README's server and client, with the README's certificate, have a session over both transports", async () => {
  const folder = await readmeFolder();
  // The ports are free ones here; all else is as it stands there.
  writeFileSync(join(folder, "server.mjs"), codeOf("server.mjs").replaceAll(":4433", ":0"));
  writeFileSync(join(folder, "client.mjs"), codeOf("client.mjs"));
  await withServer(folder, "server.mjs", async (urls) => {
    for (const [n, transport] of ["quic", "websocket"].entries()) {
      const { stdout } = await run(process.execPath, ["client.mjs", urls[n]!], {
        cwd: folder,
        timeout: 60_000,
      });
      assert.match(stdout, new RegExp(`^${transport}: hello\nsuccess \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z\n$`));
    }
  });
});

test("the README's echo runs over both transports, and loses nothing of much", async () => {
  const folder = await readmeFolder();
  const code = codeOf("echo.mjs").replaceAll(":4433", ":0");
  writeFileSync(join(folder, "echo.mjs"), code);
  const { stdout } = await run(process.execPath, ["echo.mjs"], { cwd: folder, timeout: 60_000 });
  assert.equal(stdout, "quic: hello\nwebsocket: hello\n");
  const server = code.replace(/\nfor \(const url of .*$/s, 'console.log(listener.urls.join("\\n"));\n');
  writeFileSync(join(folder, "echo_server.mjs"), server);
  await withServer(folder, "echo_server.mjs", async (urls) => {
    for (const url of urls) await assertLosesNothing(url, join(folder, "certificate.pem"));
  });
});

test("the README's programs over QUIC and through the relay run to their end", async () => {
  const folder = await readmeFolder();
  const onFreePort = codeOf("quic.mjs")
    .replace("port: 4433", "port: 0")
    .replace('"quic://localhost:4433"', '"quic://localhost:" + listener.address.port');
  for (const [file, code, printed] of [
    ["quic.mjs", onFreePort, /^hello\n$/],
    ["relay.mjs", codeOf("relay.mjs"), /forwarded|passed|received/],
  ] as const) {
    writeFileSync(join(folder, file), code);
    const { stdout } = await run(process.execPath, [file], { cwd: folder, timeout: 60_000 });
    assert.match(stdout, printed);
  }
});

test("the README's first server and its client have 15 lines at most, each", () => {
  for (const file of ["server.mjs", "client.mjs"]) {
    const lines = codeOf(file).trim().split("\n");
    assert.ok(lines.length <= 15, `${file} has ${lines.length}`);
  }
});

test("the files, folders and commands that the README names are there", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const [, path] of readme.matchAll(/\]\(([^)#]+)\)/g)) assert.ok(existsSync(join(root, path!)), path);
  for (const [, folder] of readme.matchAll(
    /`((?:native|bindings|schemas|src|test|bench|docs)(?:\/\w+)*\/)`/g,
  )) {
    assert.ok(existsSync(join(root, folder!)), folder);
  }
  for (const [, name] of readme.matchAll(/npm run ([\w:]+)/g)) assert.ok(name! in scripts, name);
  assert.ok("start" in scripts && "test" in scripts);
});
