import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import { CloseCode } from "millrace";
import { connect } from "millrace/client";
import { MillraceProcess, runMillrace } from "../kit/command.js";
import { temporaryFolder } from "../kit/folder.js";
import { silentUdp } from "../kit/silent_peer.js";
import { until } from "../kit/until.js";

const env = { XDG_CACHE_HOME: temporaryFolder() };
const freePorts = ["--port", "0", "--http-port", "0", "--tcp-port", "0"];

/** When a connection without traffic would end by itself. */
const idleTimeoutMs = 30_000;

interface Ready {
  readonly urls: Readonly<Record<"quic" | "wss" | "ws" | "tcp" | "http" | "https", string>>;
  readonly certificate: { readonly path: string; readonly sha256: string; readonly development: boolean };
}

test("serve --once measures a client over each transport, prints a table, and ends with 0", async () => {
  const { code, stdout, stderr } = await runMillrace(["serve", "--once"], { env });
  assert.equal(code, 0, stderr);
  const [header, ...rows] = stdout.trimEnd().split("\n");
  assert.match(header!, /^transport +handshake ms +round trips +p50 µs +p99 µs$/);
  assert.deepEqual(
    rows.map((row) => /^(\w+) +[\d.]+ +1000 +\d+ +\d+$/.exec(row)?.[1]),
    ["quic", "wss", "ws", "tcp"],
  );
});

test("serve --once --json prints the same figures for machines", async () => {
  const { code, stdout, stderr } = await runMillrace(["serve", "--once", "--json"], { env });
  assert.equal(code, 0, stderr);
  const { measurements, failures } = JSON.parse(stdout);
  assert.deepEqual(failures, []);
  assert.equal(measurements.length, 4);
  for (const { transport, handshakeMs, roundTrips, p50Us, p99Us } of measurements) {
    assert.ok(handshakeMs > 0 && roundTrips === 1000, transport);
    assert.ok(p50Us > 0 && p99Us >= p50Us, transport);
  }
});

test("serve --once fails with what the transport said when the transport is not there", async () => {
  const { code, stderr } = await runMillrace(["serve", "--once"], {
    env: { ...env, MILLRACE_ADDON: "/nonexistent/millrace.node" },
  });
  assert.equal(code, 1);
  assert.match(stderr, /ERR_MILLRACE_ADDON_UNAVAILABLE/);
});

test("serve tells one set of addresses and its certificate's SHA-256, and ends with 0 on SIGTERM and SIGINT", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const server = new MillraceProcess(["serve", ...freePorts], { env });
    await server.output(/Ctrl-C/);
    for (const scheme of ["http", "https", "quic", "wss", "ws", "tcp"]) {
      assert.equal(
        server.stdout.match(new RegExp(`\\b${scheme}://localhost:\\d+`, "g"))?.length ?? 0,
        scheme === "quic" ? 2 : 1,
      );
    }
    assert.match(server.stdout, /development one that millrace/);
    assert.match(server.stdout, /SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}/);
    assert.ok(!server.stdout.includes("\u001b["), "colours are for terminals");
    assert.equal(await server.stop(signal), 0, server.stderr);
  }
});

test("serve ends in time when clients are connected", async () => {
  const server = new MillraceProcess(["serve", "--json", ...freePorts], { env });
  const { urls } = await server.ready<Ready>();
  const guest = new MillraceProcess(["chat", urls.quic, "--name", "guest"], { env });
  await guest.output(/you are guest/);
  const startedAt = performance.now();
  assert.equal(await server.stop(), 0, server.stderr);
  assert.ok(performance.now() - startedAt < idleTimeoutMs, "it did not wait for the guest to be silent");
  assert.equal(await guest.exited, 1);
  assert.match(guest.stderr, /the room is gone/);
});

test("serve tells who is connected that it stops, over every transport, and answers what was asked", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const server = new MillraceProcess(["serve", "--json", ...freePorts], { env });
    const { urls, certificate } = await server.ready<Ready>();
    const members = await Promise.all(
      [urls.quic, urls.wss, urls.ws, urls.tcp].map(async (url) => {
        const told: string[] = [];
        const session = await connect(
          url,
          {
            reconnect: false,
            meta: [{ key: "name", value: Buffer.from("member") }],
            ...(/^(quic|wss)/.test(url) && { tls: { ca: certificate.path } }),
          },
          {
            goAway: (_session, { retryAfterMs }) =>
              void told.push(`goaway, come in ${retryAfterMs! <= 1_000}`),
            disconnected: (_session, { by, code }) => void told.push(`${by} ${code}`),
          },
        );
        return { session, told };
      }),
    );
    const answers = members.map(({ session }) => session.request("room.say", "a last word"));
    assert.equal((await answers[0]!).status, "success");
    assert.equal(await server.stop(signal), 0, server.stderr);
    for (const { session, told } of members) {
      await until("the connection is gone", () => session.state === "disconnected");
      assert.deepEqual(told, ["goaway, come in true", `peer ${CloseCode.goingAway}`]);
      await session.close();
    }
    for (const { status } of await Promise.all(answers)) assert.equal(status, "success");
  }
});

test("serve --log says on stderr as much as it is told to, as JSON where machines read", async () => {
  const log = async (...options: string[]) => {
    const server = new MillraceProcess(["serve", "--json", ...freePorts, ...options], { env });
    const { urls } = await server.ready<Ready>();
    const name = "ada\u001b";
    const { code } = await runMillrace(["chat", urls.tcp, "--name", name], { env, input: "hello\n" });
    assert.equal(code, 0);
    await runMillrace(["chat", urls.tcp, "--name", "x".repeat(33)], { env });
    assert.equal(await server.stop(), 0);
    const lines = server.stderr.trimEnd().split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as { level: string; event: string; reason?: string });
  };
  const events = (entries: readonly { level: string; event: string }[]) => [
    ...new Set(entries.map(({ level, event }) => `${level} ${event}`)),
  ];
  assert.deepEqual(events(await log("--log", "silent")), []);
  const usual = await log();
  assert.deepEqual(events(usual), ["warn refused"]);
  assert.match(usual[0]!.reason!, /longer than 32/);
  assert.deepEqual(events(await log("--log", "info")), ["info connected", "info closed", "warn refused"]);
  const all = events(await log("--log", "debug"));
  assert.ok(all.includes("debug received") && all.includes("debug sent"), all.join());
  const server = new MillraceProcess(["serve", ...freePorts, "--log", "info"], { env });
  const [, tcp] = await server.output(/(tcp:\S+)/);
  await runMillrace(["chat", tcp!], { env });
  await server.stop();
  assert.match(server.stderr, /^[\d-]+T[\d:.]+Z info connected .*transport=tcp address=127\.0\.0\.1/m);
});

test("serve gives the page with headers that keep foreign scripts out, and 404 and 405 for the rest", async () => {
  const server = new MillraceProcess(["serve", "--json", ...freePorts], { env });
  try {
    const { urls, certificate } = await server.ready<Ready>();
    const page = await fetch(urls.http);
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'self'/);
    assert.match(await page.text(), /<title>millrace room<\/title>/);
    const script = await fetch(new URL("/room.js", urls.http));
    assert.match(script.headers.get("content-type") ?? "", /^text\/javascript/);
    assert.deepEqual(await (await fetch(new URL("/addresses.json", urls.http))).json(), urls);
    assert.equal((await fetch(new URL("/../package.json", urls.http))).status, 404);
    assert.equal((await fetch(urls.http, { method: "POST" })).status, 405);
    assert.equal(certificate.development, true);
    assert.match(certificate.sha256, /^[0-9a-f]{64}$/);
    assert.equal(statSync(certificate.path.replace("certificate.pem", "key.pem")).mode & 0o777, 0o600);
  } finally {
    await server.stop();
  }
});

test("a taken port is told by name and code, on UDP and on TCP", async () => {
  const udp = await silentUdp();
  const tcp = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => tcp.once("listening", resolve));
  try {
    const tcpPort = String((tcp.address() as { port: number }).port);
    const onUdp = await runMillrace(["serve", ...freePorts, "--port", String(udp.port)], { env });
    const onTcp = await runMillrace(["serve", ...freePorts, "--http-port", tcpPort], { env });
    for (const [result, port] of [
      [onUdp, String(udp.port)],
      [onTcp, tcpPort],
    ] as const) {
      assert.equal(result.code, 1);
      assert.match(result.stderr, new RegExp(`${port}.*ERR_MILLRACE_ADDRESS_IN_USE`));
      assert.equal(result.stdout, "");
    }
  } finally {
    tcp.close();
    await udp.close();
  }
});

test("wrong arguments end with 2 and a sentence, before anything is opened", async () => {
  const cases: [string[], RegExp][] = [
    [["serve", "--port", "70000"], /A port is a number from 0 to 65535/],
    [["serve", "--cert", "a.pem"], /--cert and --key belong together/],
    [["serve", "--no-such-option"], /unknown option/],
    [["serve", "--log", "loud"], /Allowed choices are debug, info, warn, error, silent/],
    [["no-such-command"], /unknown command 'no-such-command'/],
    [["no-such-command", "--help"], /unknown command 'no-such-command'/],
    [["serv", "--port", "0"], /unknown command 'serv'\n\(Did you mean serve\?\)/],
    [["echo"], /give --quic, --ws, or both/],
    [["echo", "--quic", "4433"], /localhost:4433/],
    [["chat"], /missing required argument/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await runMillrace(args, { env });
    assert.equal(code, 2, args.join(" "));
    assert.match(stderr, message);
  }
});

test("millrace alone and --help explain themselves, --version tells the package's", async () => {
  for (const args of [[], ["--help"], ["serve", "--help"], ["chat", "--help"], ["echo", "--help"]]) {
    const { code, stdout } = await runMillrace(args, { env });
    assert.equal(code, 0, args.join(" "));
    assert.match(stdout, /^Usage: millrace/);
  }
  assert.match((await runMillrace(["--version"], { env })).stdout, /^\d+\.\d+\.\d+\n$/);
});

test("a certificate file that does not exist is told by name", async () => {
  const { code, stderr } = await runMillrace(["serve", ...freePorts, "--cert", "no.pem", "--key", "no.key"], {
    env,
  });
  assert.equal(code, 1);
  assert.match(stderr, /no\.(pem|key).*ERR_MILLRACE_CREDENTIAL_MISSING/);
});
