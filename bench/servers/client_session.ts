// Sessions that clients reach by several transports. Arguments: a certificate and its key, then the URLs to listen on.
// What is asked is answered with what it was asked with.
import { createServer } from "millrace/server";
import { announce } from "./control.js";

const [certificate, privateKey, ...listen] = process.argv.slice(2);
const server = await createServer(
  { listen, tls: { certificate: certificate!, privateKey: privateKey! } },
  { request: (_session, request) => request.payload },
);
announce(Number(new URL(server.urls[0]!).port), { urls: server.urls });
