/** Serves and connects with every form of credential in a process that may write to no file; see identity.test.ts. */
import { mkdtempSync, rmdirSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as quic from "millrace/quic";
import { Authority } from "millrace/testing";

process.on("SIGXFSZ", () => {}); // then the write itself fails, and says so

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
  {},
);
for (const serverName of ["localhost", "a.example"]) {
  const client = await quic.connect(`quic://127.0.0.1:${server.address.port}`, {
    alpn,
    tls: { ca: authority.certificate, serverName, ...(await authority.issueClient({ name: "client" })) },
  });
  await client.close();
}
await server.updateTls(await authority.issue());
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
