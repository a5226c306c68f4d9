// Both sides show a certificate. The server asks its own code whether this client may come in, before the handshake
// completes.
import { connect, listen } from "millrace/quic";
import { Authority } from "millrace/testing";

const servers = await Authority.make("servers");
const devices = await Authority.make("devices");
const alpn = ["telemetry/1"];
const stolen = new Set(["device-2"]);

const listener = await listen(
  {
    host: "localhost",
    port: 0,
    alpn,
    tls: { ...(await servers.issue()), clientCertificate: "require", clientCa: devices.certificate },
  },
  {
    authenticate({ certificate }) {
      return !stolen.has(commonName(certificate));
    },
    stream(stream) {
      stream.write(Buffer.from(`welcome, ${commonName(stream.connection.peerCertificate)}`));
      stream.end();
    },
  },
);

/** @param certificate an X509Certificate of node:crypto. */
function commonName(certificate) {
  return /CN=(.*)/.exec(certificate.subject)?.[1];
}

for (const name of ["device-1", "device-2"]) {
  const connection = await connect(`quic://localhost:${listener.address.port}`, {
    alpn,
    tls: { ca: servers.certificate, ...(await devices.issueClient({ name })) },
  });
  // A client of TLS 1.3 is open before the server has judged its certificate: an answer is the proof, or how it ends.
  try {
    const stream = connection.openStream();
    stream.end();
    for await (const chunks of stream) console.log(`${name}: ${Buffer.concat(chunks)}`);
  } catch {
    const { error } = await connection.closed;
    console.log(`${name}: ${error.code}`);
  }
  await connection.close();
}
await listener.close();
