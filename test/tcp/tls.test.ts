import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, type TestContext, test } from "node:test";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import {
  CertificateNameError,
  CertificateRequiredError,
  type ClientTlsOptions,
  type Connection,
  connect,
  frameCodec,
  HandshakeFailedError,
  InvalidArgumentError,
  jsonCodec,
  type Listener,
  listen,
  type ServerTlsOptions,
} from "millrace";
import { Authority } from "millrace/testing";
import { temporaryFolder } from "../kit/folder.js";
import { Pkcs12Packer } from "../kit/pkcs12.js";
import { until } from "../kit/until.js";
import { echo, serve as serveClear } from "./kit.js";

const authority = await Authority.make();
const stranger = await Authority.make("stranger");
const identity = await authority.issue();
const alice = await authority.issueClient({ name: "alice" });
const mallory = await stranger.issueClient({ name: "mallory" });
const folder = temporaryFolder();
const packer = new Pkcs12Packer();

async function serve(t: TestContext, tls: ServerTlsOptions, options = {}): Promise<Listener> {
  const listener = await listen("tls://127.0.0.1:0", echo, { tls, ...options });
  t.after(() => listener.close({ graceful: false }));
  return listener;
}

async function dial(t: TestContext, { urls }: Listener, tls: ClientTlsOptions = {}): Promise<Connection> {
  const connection = await connect(urls[0]!, {}, { tls: { ca: authority.certificate, ...tls } });
  t.after(() => connection.close({ graceful: false }));
  return connection;
}

async function assertEchoes(connection: Connection): Promise<void> {
  connection.send(Buffer.from("hello"));
  for await (const message of connection) {
    assert.equal(Buffer.from(message).toString(), "hello");
    return;
  }
  assert.fail("the connection ended");
}

/** What a TLS client of Node's own sees of a server. */
async function shake(t: TestContext, { addresses }: Listener, options = {}) {
  const { port } = addresses[0]!;
  const socket = connectTls({ host: "127.0.0.1", port, ca: authority.certificate, ...options });
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}

describe("a tls server", () => {
  test("takes its identity in every form that QUIC takes", async (t) => {
    const tls = { pkcs12: packer.packBytes(identity, "secret"), passphrase: "secret" };
    await assertEchoes(await dial(t, await serve(t, tls)));
  });

  test("needs one", async () => {
    await assert.rejects(listen("tls://127.0.0.1:0", {}), {
      code: "ERR_MILLRACE_INVALID_ARGUMENT",
      message: "tls://127.0.0.1:0 needs options.tls with certificate and privateKey",
    });
  });

  test("that requires a certificate lets in who has one of its CA, and no other", async (t) => {
    const clientCa = authority.certificate;
    const listener = await serve(t, { ...identity, clientCertificate: "require", clientCa });
    await assertEchoes(await dial(t, listener, alice));
    await assert.rejects(dial(t, listener), CertificateRequiredError);
    await assert.rejects(dial(t, listener, mallory), CertificateRequiredError);
    await until("one is open", () => listener.connectionCount === 1);
  });

  test("that only asks for one lets in who has none, and not who shows a stranger's", async (t) => {
    const clientCa = authority.certificate;
    const listener = await serve(t, { ...identity, clientCertificate: "request", clientCa });
    await assertEchoes(await dial(t, listener));
    await assertEchoes(await dial(t, listener, alice));
    await assert.rejects(dial(t, listener, mallory), CertificateRequiredError);
  });

  test("that asks for certificates must say whose it takes", async () => {
    const tls = { ...identity, clientCertificate: "require" } as const;
    await assert.rejects(listen("tls://127.0.0.1:0", {}, { tls }), /needs tls\.clientCa/);
  });

  test("that asks for certificates resumes no session, so that it is asked every time", async (t) => {
    const clientCa = authority.certificate;
    for (const [more, resumes] of [
      [{}, true],
      [{ clientCertificate: "require", clientCa } as const, false],
    ] as const) {
      const listener = await serve(t, { ...identity, ...more });
      const shown = { cert: alice.certificate, key: alice.privateKey, ALPNProtocols: ["millrace/1"] };
      const first = await shake(t, listener, shown);
      const [session] = (await once(first, "session")) as [Buffer];
      const second = await shake(t, listener, { ...shown, session });
      assert.equal(second.isSessionReused(), resumes);
    }
  });

  test("shows each name its own identity", async (t) => {
    const names = { "a.example": ["a.example"], "*.b.example": ["x.b.example", "y.b.example"] };
    const serverNames = Object.fromEntries(
      await Promise.all(
        Object.entries(names).map(
          async ([name, of]) => [name, await authority.issue({ names: of })] as const,
        ),
      ),
    );
    const listener = await serve(t, { ...identity, serverNames });
    for (const serverName of ["a.example", "x.b.example", "Y.B.example", "localhost"]) {
      await assertEchoes(await dial(t, listener, { serverName }));
    }
    for (const serverName of ["b.example", "z.x.b.example"]) {
      await assert.rejects(dial(t, listener, { serverName }), CertificateNameError, serverName);
    }
  });

  test("uses the cipher suites that it is given, and so does a client", async (t) => {
    const suite = "TLS_CHACHA20_POLY1305_SHA256";
    const listener = await serve(t, { ...identity, cipherSuites: [suite] });
    assert.equal((await shake(t, listener)).getCipher().name, suite);
    await assertEchoes(await dial(t, listener, { cipherSuites: [suite] }));
    await assert.rejects(
      dial(t, listener, { cipherSuites: ["TLS_AES_128_GCM_SHA256"] }),
      HandshakeFailedError,
    );
    await assert.rejects(shake(t, listener, { maxVersion: "TLSv1.2" }));
  });

  for (const side of ["server", "client"] as const) {
    test(`logs its secrets where it is told to: ${side}`, async (t) => {
      const keyLogFile = join(folder, `${side}.keys`);
      const listener = await serve(t, side === "server" ? { ...identity, keyLogFile } : identity);
      await assertEchoes(await dial(t, listener, side === "client" ? { keyLogFile } : {}));
      const labels = ["CLIENT_HANDSHAKE", "SERVER_HANDSHAKE", "CLIENT", "SERVER"];
      const log = () => readFileSync(keyLogFile, "utf8");
      await until("all are there", () => labels.every((label) => log().includes(`${label}_TRAFFIC_SECRET`)));
      assert.equal(statSync(keyLogFile).mode & 0o777, 0o600);
    });
  }
});

describe("TLS without ALPN", () => {
  test("is for openssl what clear TCP is for nc", async (t) => {
    const listener = await serve(t, identity, { codecs: [frameCodec, jsonCodec] });
    const args = ["s_client", "-quiet", "-connect", `127.0.0.1:${listener.addresses[0]!.port}`];
    const client = spawn("openssl", args, { stdio: ["pipe", "pipe", "ignore"] });
    t.after(() => client.kill());
    client.stdin.write('{"type":"message","text":"hello"}\n');
    const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, '{"type":"message","text":"hello"}');
  });

  test("ends at a proxy that knows nothing of what is inside, and a millrace client agrees through it", async (t) => {
    const behind = await serveClear(t, echo);
    const proxy = createTlsServer({ cert: identity.certificate, key: identity.privateKey }, (outer) => {
      const inner = connectTcp(behind.addresses[0]!.port, "127.0.0.1");
      outer.pipe(inner).pipe(outer);
      for (const socket of [outer, inner]) socket.on("error", () => socket.destroy());
    });
    t.after(() => proxy.close());
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const { port } = proxy.address() as AddressInfo;
    const connection = await connect(`tls://127.0.0.1:${port}`, {}, { tls: { ca: authority.certificate } });
    t.after(() => connection.close({ graceful: false }));
    await assertEchoes(connection);
  });
});

describe("URLs of TCP", () => {
  test("have no path, which would be ignored", async () => {
    for (const url of ["tcp://127.0.0.1:1/room", "tls://127.0.0.1:1/?a=b"]) {
      await assert.rejects(listen(url, {}, { tls: identity }), InvalidArgumentError);
      await assert.rejects(connect(url), /has no path/);
    }
  });

  test("of the other kind than the server's are explained", async (t) => {
    const clear = await serveClear(t, echo);
    const secure = await serve(t, identity);
    await assert.rejects(connect(clear.urls[0]!.replace("tcp:", "tls:")), {
      code: "ERR_MILLRACE_HANDSHAKE_FAILED",
      message: /does not speak TLS/,
    });
    await assert.rejects(connect(secure.urls[0]!.replace("tls:", "tcp:")), {
      code: "ERR_MILLRACE_HANDSHAKE_FAILED",
      message: /if it speaks TLS, connect by tls:\/\/$/,
    });
  });
});
