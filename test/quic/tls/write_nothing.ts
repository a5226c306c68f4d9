/** Serves and connects with every form of credential in a process that may write to no file; see identity.test.ts. */
import { createPrivateKey } from "node:crypto";
import { mkdtempSync, readFileSync, rmdirSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as quic from "millrace/quic";
import { Authority } from "millrace/testing";

process.on("SIGXFSZ", () => {}); // then the write itself fails, and says so

const passphrase = "open sesame";
const alpn = ["millrace-test"];
const authority = await Authority.make();
const server = await quic.listen(
  {
    host: "127.0.0.1",
    port: 0,
    alpn,
    tls: {
      ...(await authority.issue()),
      clientCertificate: "require",
      clientCa: authority.certificate,
      serverNames: { "a.example": await authority.issue({ names: ["a.example"] }) },
    },
  },
  { end: (stream) => stream.end() },
);
for (const serverName of ["localhost", "a.example"]) {
  const client = await quic.connect(`quic://127.0.0.1:${server.address.port}`, {
    alpn,
    tls: { ca: authority.certificate, serverName, ...(await authority.issueClient({ name: "client" })) },
  });
  await client.close();
}

// The same in files that were written before, and with an encrypted key.
const [serverFile, clientFile, caFile] = process.argv.slice(2) as [string, string, string];
const encrypted = await authority.issue();
const privateKey = createPrivateKey(encrypted.privateKey)
  .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase })
  .toString();
const clients: quic.TlsIdentity[] = [
  { pkcs12: clientFile, passphrase },
  { pkcs12: readFileSync(clientFile), passphrase },
];
for (const [tls, ca] of [
  [{ pkcs12: serverFile, passphrase }, caFile],
  [{ pkcs12: readFileSync(serverFile), passphrase }, caFile],
  [{ certificate: encrypted.certificate, privateKey, passphrase }, authority.certificate],
] as const) {
  await server.updateTls({ ...tls, clientCertificate: "require", clientCa: caFile });
  for (const identity of clients) {
    const client = await quic.connect(`quic://127.0.0.1:${server.address.port}`, {
      alpn,
      tls: { ca, serverName: "localhost", ...identity },
    });
    const stream = client.openStream();
    stream.end();
    await stream.closed; // the server has let it in
    await client.close();
  }
}
await server.close();

const folder = mkdtempSync(join(tmpdir(), "millrace-test-"));
const file = join(folder, "file");
let refusal = "";
try {
  writeFileSync(file, "x");
} catch (cause) {
  refusal = (cause as NodeJS.ErrnoException).code ?? "";
}
unlinkSync(file);
rmdirSync(folder);
process.stdout.write(
  refusal === "EFBIG"
    ? "connected without writing, and could not have written\n"
    : `writing gave "${refusal}"\n`,
);
