import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { InvalidArgumentError } from "millrace";
import type * as quic from "millrace/quic";
import { Authority } from "millrace/testing";
import { Capture } from "../../kit/capture.js";
import { deferred } from "../../kit/deferred.js";
import { temporaryFolder } from "../../kit/folder.js";
import { serveTls } from "../../kit/tls_pair.js";
import { until } from "../../kit/until.js";

const folder = temporaryFolder();

const authority = await Authority.make();
const identity = await authority.issue();

const labels = [
  "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
  "SERVER_HANDSHAKE_TRAFFIC_SECRET",
  "CLIENT_TRAFFIC_SECRET_0",
  "SERVER_TRAFFIC_SECRET_0",
];

/** The lines of a key log, once it has as many as connections write. */
async function linesOf(path: string, connections = 1): Promise<string[]> {
  const lines = () => readFileSync(path, "utf8").split("\n").slice(0, -1);
  await until(`${path} has its lines`, () => lines().length >= connections * labels.length);
  return lines();
}

describe("a key log", () => {
  for (const side of ["server", "client"] as const) {
    test(`of a ${side} lets tshark read what was captured`, async (t) => {
      const keyLogFile = join(folder, `${side}.keys`);
      const server = await serveTls(t, side === "server" ? { ...identity, keyLogFile } : identity);
      const capture = await Capture.start(t, server.listener.address.port);
      const heard = deferred();
      server.hear(() => heard.resolve());
      const trust = { ca: authority.certificate };
      const client = await server.connect(side === "client" ? { ...trust, keyLogFile } : trust);
      const stream = client.openStream();
      stream.write(Buffer.from("the secret word is swordfish"));
      await heard.promise;
      await client.close();
      await linesOf(keyLogFile);
      await capture.stop();

      const words = (...args: string[]) =>
        capture.read(...args, "-Y", "quic.stream_data", "-T", "fields", "-e", "quic.stream_data");
      const hex = Buffer.from("the secret word is swordfish").toString("hex");
      assert.deepEqual(await words("-o", "tls.keylog_file:"), [], "without the keys nothing can be read");
      assert.deepEqual(await words("-o", `tls.keylog_file:${keyLogFile}`), [hex]);
    });
  }

  test("has the four secrets of each connection, the same on both sides, for its owner only", async (t) => {
    const ours = join(folder, "ours.keys");
    const theirs = join(folder, "theirs.keys");
    const server = await serveTls(t, { ...identity, keyLogFile: ours });
    for (let i = 0; i < 3; i++) await server.connect({ ca: authority.certificate, keyLogFile: theirs });
    const lines = await linesOf(ours, 3);
    assert.deepEqual((await linesOf(theirs, 3)).sort(), [...lines].sort());
    for (const line of lines) assert.match(line, /^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64,96}$/);
    assert.deepEqual([...new Set(lines.map((line) => line.split(" ")[0]))].sort(), [...labels].sort());
    assert.equal(new Set(lines.map((line) => line.split(" ")[1])).size, 3, "one client random a connection");
    assert.equal(statSync(ours).mode & 0o777, 0o600);
  });

  test("tells the secrets of the cipher that was agreed on", async (t) => {
    for (const [cipher, bytes] of [
      ["TLS_AES_128_GCM_SHA256", 32],
      ["TLS_AES_256_GCM_SHA384", 48],
      ["TLS_CHACHA20_POLY1305_SHA256", 32],
    ] as const) {
      const keyLogFile = join(folder, `${cipher}.keys`);
      const server = await serveTls(t, { ...identity, cipherSuites: [cipher], keyLogFile });
      await server.connect({ ca: authority.certificate });
      for (const line of await linesOf(keyLogFile)) assert.equal(line.split(" ")[2]?.length, 2 * bytes);
    }
  });

  test("is added to what the file has, also after a handshake that fails", async (t) => {
    const keyLogFile = join(folder, "kept.keys");
    writeFileSync(keyLogFile, "# mine\n");
    const server = await serveTls(t, identity);
    const stranger = await Authority.make("stranger");
    await assert.rejects(server.connect({ ca: stranger.certificate, keyLogFile }));
    await until("it is written", () => readFileSync(keyLogFile, "utf8").includes("HANDSHAKE"));
    assert.match(readFileSync(keyLogFile, "utf8"), /^# mine\n(CLIENT|SERVER)_HANDSHAKE/);
  });

  test("goes where SSLKEYLOGFILE says only when it is asked for", async (t) => {
    const asked = join(folder, "asked.keys");
    const server = await serveTls(t, identity);
    const withEnvironment = async (path: string | undefined, tls: quic.ClientTlsOptions) => {
      const kept = process.env.SSLKEYLOGFILE;
      if (path === undefined) delete process.env.SSLKEYLOGFILE;
      else process.env.SSLKEYLOGFILE = path;
      try {
        await server.connect({ ca: authority.certificate, ...tls });
      } finally {
        if (kept === undefined) delete process.env.SSLKEYLOGFILE;
        else process.env.SSLKEYLOGFILE = kept;
      }
    };
    await withEnvironment(asked, {});
    assert.equal(statSync(asked, { throwIfNoEntry: false }), undefined);
    await withEnvironment(asked, { keyLogFile: true });
    assert.equal((await linesOf(asked)).length, labels.length);
    await assert.rejects(withEnvironment(undefined, { keyLogFile: true }), /has no SSLKEYLOGFILE/);
  });

  test("that cannot be written is refused before anybody connects", async (t) => {
    const keyLogFile = join(folder, "no", "such", "folder.keys");
    for (const attempt of [
      serveTls(t, { ...identity, keyLogFile }),
      serveTls(t, identity).then((server) => server.connect({ ca: authority.certificate, keyLogFile })),
    ]) {
      await assert.rejects(attempt, (error: Error) => {
        assert.ok(error instanceof InvalidArgumentError);
        assert.match(error.message, /keyLogFile ".*folder\.keys" cannot be written/);
        return true;
      });
    }
  });
});
