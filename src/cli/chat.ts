import { userInfo } from "node:os";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import { type Connection, connect } from "../index.js";
import { parseTransportUrl } from "../transport/address.js";
import { ChatMember } from "./chat_member.js";
import { clientTrust } from "./identity.js";
import { Room } from "./room.js";
import { encodeMessage } from "./room_message.js";
import { Screen } from "./screen.js";
import { untilSignal } from "./until_signal.js";

interface ChatOptions {
  readonly name: string;
  readonly ca?: string;
  readonly insecure?: boolean;
}

/** How long a server may take to answer that we join: it may be no room at all. */
const enterWithinMs = 10_000;
/** How long to wait, when leaving, until the room has repeated the last line. */
const farewellMs = 2_000;

/** `millrace chat`: the room from a terminal, or from a pipe. */
export function chatCommand(): Command {
  return new Command("chat")
    .description("join the room of `millrace serve` from a terminal")
    .argument("<url>", "quic://localhost:4433, wss://localhost:4433 or ws://localhost:8080")
    .option("--name <name>", "what the others call you", defaultName())
    .option("--ca <file>", "trust this authority, or this server's own certificate, PEM")
    .option("--insecure", "accept any certificate; somebody in between can then read and change everything")
    .addHelpText("after", "\nIn the room: /who lists who is there, /quit leaves, so do Ctrl-C and Ctrl-D.")
    .action(chat);
}

async function chat(url: string, { name, ca, insecure = false }: ChatOptions): Promise<void> {
  const { host, scheme } = parseTransportUrl(url);
  const trust = scheme === "ws" ? undefined : await clientTrust(host, { ca, insecure });
  const screen = new Screen(process.stdout);
  if (trust?.note) process.stderr.write(`${trust.note}\n`);
  const leaving = new AbortController();
  void untilSignal().then(() => leaving.abort());
  const { signal } = leaving;
  const member = new ChatMember(name, screen);
  const connection = await connect(url, member, {
    ...Room.limits,
    signal,
    ...(trust?.tls && { tls: trust.tls }),
  });
  signal.addEventListener("abort", () => connection.close());
  await enter(connection, member);
  const input = createInterface({
    input: process.stdin,
    terminal: process.stdin.isTTY === true && process.stdout.isTTY === true,
    output: process.stdout,
    prompt: "> ",
  });
  await converse(connection, member, input, screen);
  if (connection.state === "open") {
    await Promise.race([member.repeated(), delay(farewellMs, undefined, { ref: false })]);
  }
  const { by, code, reason, error } = await connection.close();
  if (by === "local") return;
  process.exitCode = 1;
  process.stderr.write(`the room is gone: ${error?.message ?? (reason || `close code ${code}`)}\n`);
}

/** Waits until the room has taken us in. */
async function enter(connection: Connection, member: ChatMember): Promise<void> {
  const giveUp = setTimeout(() => connection.close({ graceful: false }), enterWithinMs);
  try {
    await member.joined;
  } catch (cause) {
    await connection.close();
    throw cause;
  } finally {
    clearTimeout(giveUp);
  }
}

/** Until the input ends, somebody says /quit or sends a signal, or the room is gone. */
async function converse(
  connection: Connection,
  member: ChatMember,
  input: Interface,
  screen: Screen,
): Promise<void> {
  input.on("SIGINT", () => input.close());
  void connection.closed.then(() => input.close());
  screen.attach(input);
  for await (const typed of input) {
    const line = typed.trim();
    if (line === "/quit" || connection.state !== "open") break;
    if (line === "/who") screen.roster(member.participants);
    else if (line.startsWith("/")) screen.note("there are /who and /quit");
    else if (line !== "") await say(connection, member, line);
    screen.prompt();
  }
  screen.detach();
  input.close();
}

/** Sends a line, no faster than the room and the transport take them: a pipe may hold thousands. */
async function say(connection: Connection, member: ChatMember, text: string): Promise<void> {
  const result = connection.send(encodeMessage({ type: "say", text }));
  if (result !== "dropped") member.sent();
  if (result !== "sent") await member.drained();
  await delay(1_000 / member.linesPerSecond);
}

function defaultName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry in the system's list, as containers have them.
    return "guest";
  }
}
