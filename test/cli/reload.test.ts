import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type ClientSession, connect } from "millrace/client";
import { Authority } from "millrace/testing";
import { MillraceProcess, runMillrace } from "../kit/command.js";
import { temporaryFolder } from "../kit/folder.js";
import { until } from "../kit/until.js";

const freePorts = ["--port", "0", "--http-port", "0", "--tcp-port", "0"];

/** What the command says of a reload. */
interface Reloaded {
  readonly reloaded: boolean;
  readonly code?: string;
  readonly message?: string;
}

/** A room whose settings and certificate lie in files. */
async function serve(t: TestContext, settings: object) {
  const folder = temporaryFolder();
  const files = ["settings.json", "certificate.pem", "key.pem"].map((name) => join(folder, name));
  const [settingsPath, certificate, key] = files as [string, string, string];
  const say = (text: string | object) =>
    writeFileSync(settingsPath, typeof text === "string" ? text : JSON.stringify(text));
  const show = (identity: { readonly certificate: string; readonly privateKey: string }) => {
    writeFileSync(certificate, identity.certificate);
    writeFileSync(key, identity.privateKey);
  };
  const authority = await Authority.make();
  const identity = await authority.issue();
  say(settings);
  show(identity);
  const given = ["--settings", settingsPath, "--cert", certificate, "--key", key];
  const server = new MillraceProcess(["serve", "--json", ...freePorts, ...given]);
  t.after(() => server.stop("SIGKILL"));
  const { urls } = await server.ready<{ urls: Readonly<Record<"wss" | "tcp" | "quic", string>> }>();
  let lines = 0;
  const reload = async (): Promise<Reloaded> => {
    lines += 1;
    server.child.kill("SIGHUP");
    const [, line] = await server.output(new RegExp(`^(?:.*\\n){${lines}}(.*)\\n`));
    return JSON.parse(line!) as Reloaded;
  };
  const enter = async (url: string, ca?: string): Promise<ClientSession> => {
    const meta = [{ key: "name", value: Buffer.from("member") }];
    const session = await connect(url, { meta, reconnect: false, ...(ca !== undefined && { tls: { ca } }) });
    t.after(() => session.close({ graceful: false }));
    return session;
  };
  return { server, urls, authority, identity, say, show, reload, enter };
}

async function linesPerSecond(session: ClientSession): Promise<unknown> {
  const reply = await session.request("room.me");
  assert.equal(reply.status, "success");
  return (
    JSON.parse(Buffer.from((reply as { payload: Uint8Array }).payload).toString()) as {
      linesPerSecond: number;
    }
  ).linesPerSecond;
}

test("serve goes on by other limits, another log and another certificate at SIGHUP, and who is there stays", async (t) => {
  const { server, urls, authority, say, show, reload, enter } = await serve(t, { log: "silent" });
  const old = await enter(urls.tcp);
  assert.equal(await linesPerSecond(old), 5);
  say({ log: "info", messagesPerSecond: 40, limits: { sessionsPerAddress: 2 } });
  const others = await Authority.make();
  show(await others.issue());
  assert.deepEqual(await reload(), { reloaded: true });

  for (const url of [urls.wss, urls.quic]) {
    await assert.rejects(enter(url, authority.certificate), { code: "ERR_MILLRACE_CERTIFICATE_UNTRUSTED" });
  }
  const fresh = await enter(urls.wss, others.certificate);
  assert.equal(await linesPerSecond(fresh), 20);
  await assert.rejects(enter(urls.tcp), /as many sessions of this address/);
  assert.equal(await linesPerSecond(old), 20);
  const logged = () => server.stderr.trimEnd().split("\n").filter(Boolean);
  await until("who is refused is logged", () => logged().length === 2);
  assert.deepEqual(
    logged().map((line) => (JSON.parse(line) as { event: string }).event),
    ["connected", "refused"],
  );
  say({});
  assert.deepEqual(await reload(), { reloaded: true });
  await enter(urls.tcp); // no limit any more
});

test("serve stays as it was where its settings or its certificate are wrong, and says why", async (t) => {
  const { urls, authority, identity, say, show, reload, enter } = await serve(t, {});
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["{", /the settings in .*settings.json cannot be read: /],
    ["[]", /settings.json must be an object .*, and not an array/],
    ['{"logs":"info"}', /there is no option ".*settings.json: logs"; did you mean log\?/],
    ['{"log":"loud"}', /settings.json: log must be "debug", .* and not "loud"/],
    ['{"messagesPerSecond":1,"limits":{"sessionsPerAddress":0}}', /limits.sessionsPerAddress must be/],
    [`{"log":"${"x".repeat(70_000)}"}`, /larger than 65536 bytes/],
  ];
  for (const [text, message] of wrong) {
    say(text);
    const { reloaded, code, message: said } = await reload();
    assert.deepEqual([reloaded, code], [false, "ERR_MILLRACE_INVALID_ARGUMENT"], text.slice(0, 40));
    assert.match(said!, message);
  }
  say({ messagesPerSecond: 1 });
  show({ ...identity, certificate: (await (await Authority.make()).issue()).certificate });
  assert.equal((await reload()).code, "ERR_MILLRACE_CREDENTIAL_MISMATCH");
  assert.equal(await linesPerSecond(await enter(urls.wss, authority.certificate)), 5);
});

test("serve is not begun by settings that are none, and says to people what came of a reload", async () => {
  for (const path of ["nowhere.json", "/dev/zero"]) {
    const { code, stderr } = await runMillrace(["serve", ...freePorts, "--settings", path]);
    assert.equal(code, 1);
    assert.match(stderr, /the settings in .* cannot be read: .*ERR_MILLRACE_INVALID_ARGUMENT/);
  }
  const server = new MillraceProcess(["serve", ...freePorts], { env: { XDG_CACHE_HOME: temporaryFolder() } });
  await server.output(/Ctrl-C/);
  server.child.kill("SIGHUP");
  await server.output(/SIGHUP: goes on by the settings and the certificate as they are now/);
  assert.equal(await server.stop(), 0, server.stderr);
});
