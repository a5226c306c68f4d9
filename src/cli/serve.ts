import { Command, Option } from "commander";
import type { MillraceError } from "../index.js";
import { parsePort } from "./argument.js";
import { formatFingerprint } from "./certificate.js";
import {
  type CertificateOptions,
  type ServerIdentity,
  serverIdentity,
  withCertificateOptions,
} from "./identity.js";
import { type LogChoice, logLevels, StderrLog } from "./log.js";
import { runOnce } from "./once.js";
import { RoomServer, type RoomUrls } from "./room_server.js";
import { readSettings, type Settings } from "./settings.js";
import { colours, printJson } from "./terminal.js";
import { onHangUp, untilSignal } from "./until_signal.js";

interface ServeOptions extends CertificateOptions {
  readonly host: string;
  readonly port: number;
  readonly httpPort: number;
  readonly tcpPort: number;
  readonly log: LogChoice;
  readonly settings?: string;
  readonly once?: boolean;
  readonly json?: boolean;
}

/** `millrace serve`: the room over QUIC, WebSocket and TCP, with its page. */
export function serveCommand(): Command {
  const command = new Command("serve")
    .description("serve a room over QUIC, WebSocket and TCP, and a page to join it")
    .option("--host <host>", "name or address to listen on", "127.0.0.1")
    .option("--port <port>", "UDP port of QUIC, and TCP port of wss and https", parsePort, 4433)
    .option("--http-port <port>", "TCP port of ws and http", parsePort, 8080)
    .option("--tcp-port <port>", "TCP port of plain tcp", parsePort, 8081)
    .addOption(
      new Option(
        "--log <level>",
        "what is told on stderr: members, refusals, faults; of debug every message, too",
      )
        .choices(logLevels)
        .default("warn"),
    )
    .option("--settings <file>", "JSON with log, messagesPerSecond and limits, as those of createServer")
    .option("--once", "start on free ports, measure a client over each transport, and exit")
    .option("--json", "print JSON for machines, the log too")
    .addHelpText(
      "after",
      `
SIGTERM, SIGINT and Ctrl-C tell all members and finish what they asked; a second one ends it at once. SIGHUP has it read
the settings and the certificate again, where its output is no terminal: who is there stays, and where something is wrong
with them, all is as it was.`,
    );
  return withCertificateOptions(command).action(async (options: ServeOptions) => {
    const identity = await serverIdentity(options, command);
    if (options.once) await runOnce(identity, options);
    else await serve(identity, options, () => serverIdentity(options, command));
  });
}

async function serve(
  identity: ServerIdentity,
  options: ServeOptions,
  identityNow: () => Promise<ServerIdentity>,
): Promise<void> {
  const { host, port, httpPort, tcpPort, json = false } = options;
  const stopping = untilSignal();
  const settings = () => readSettings(options.settings, options.log);
  const first = await settings();
  const server = await RoomServer.start({
    ...{ host, port, httpPort, tcpPort },
    tls: identity.tls,
    log: new StderrLog(first.log, json),
    settings: first,
  });
  const endReloading = onHangUp(() => reload(server, identityNow, settings, json));
  if (json) printJson({ urls: server.urls, certificate: describeCertificate(identity) });
  else printAddresses(server.urls, identity);
  const signal = await stopping;
  endReloading();
  if (!json) process.stdout.write(`\n${signal}: closing\n`);
  await server.close();
}

/** Has the room go on by what its files say now; says so, or what is wrong with them. */
async function reload(
  server: RoomServer,
  identityNow: () => Promise<ServerIdentity>,
  settings: () => Promise<Settings>,
  json: boolean,
): Promise<void> {
  try {
    const { tls } = await identityNow();
    await server.reload(tls, await settings());
    if (json) printJson({ reloaded: true });
    else process.stdout.write("SIGHUP: goes on by the settings and the certificate as they are now\n");
  } catch (cause) {
    const { name, message, code = name } = cause as Partial<MillraceError>;
    if (json) printJson({ reloaded: false, code, message });
    else process.stderr.write(`SIGHUP: all is as it was: ${message} (${code})\n`);
  }
}

function printAddresses(urls: RoomUrls, { development }: ServerIdentity): void {
  const { bold, cyan, dim } = colours(process.stdout);
  const lines = [
    `${bold("millrace")} is serving a room`,
    "",
    `  page       ${cyan(urls.http)}   ${dim(`or ${urls.https}`)}`,
    `  QUIC       ${cyan(urls.quic)}`,
    `  WebSocket  ${cyan(urls.wss)}   ${dim(`or ${urls.ws}`)}`,
    `  TCP        ${cyan(urls.tcp)}`,
    "",
    `  join from another terminal: ${ownCommand()} chat ${urls.quic}`,
  ];
  if (development) {
    const until = development.expires.toISOString().slice(0, 10);
    lines.push(
      "",
      `  The certificate is a development one that millrace ${development.created ? "has just made" : "made earlier"}, good until ${until}:`,
      `  ${dim(development.certificatePath)}`,
      `  SHA-256 ${dim(formatFingerprint(development.sha256))}`,
    );
  }
  process.stdout.write(`${lines.join("\n")}\n\n${dim("Ctrl-C stops it.")}\n`);
}

/** How the user called us: through the clone's script, or as an installed program. */
function ownCommand(): string {
  return process.env.npm_lifecycle_event === undefined ? "millrace" : "npm run millrace --";
}

function describeCertificate({ development, tls }: ServerIdentity): object {
  if (development === undefined) return { development: false, path: tls.certificate };
  const { certificatePath, sha256, expires, created } = development;
  return { development: true, path: certificatePath, sha256, expires: expires.toISOString(), created };
}
