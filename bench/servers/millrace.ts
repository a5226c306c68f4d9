// Echoes messages through the root API. Arguments: the URL to listen on, and for QUIC a certificate and its key.
import { listen } from "millrace";
import { announce } from "./control.js";

const [url, certificate, privateKey] = process.argv.slice(2);
const tls = certificate && privateKey ? { tls: { certificate, privateKey } } : {};
const listener = await listen(
  url!,
  {
    message(connection, bytes) {
      connection.send(bytes);
    },
  },
  { ...tls, idleTimeoutMs: 0 },
);
announce(Number(new URL(listener.urls[0]!).port));
