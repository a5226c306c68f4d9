import { userInfo } from "node:os";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import { connect } from "../client/index.js";
import { InvalidArgumentError } from "../index.js";
import { parseTransportUrl } from "../transport/address.js";
import { ChatEvents } from "./chat_events.js";
import { clientTrust } from "./identity.js";
import { NotSaid, RefusedByRoom, RoomClient, type RoomClientOptions } from "./room_client.js";
import { Screen } from "./screen.js";
import { untilSignal } from "./until_signal.js";

interface ChatOptions {
  readonly name: string;
  readonly ca?: string;
  readonly insecure?: boolean;
}

/** How long a server may take to answer that we join: it may be no room at all. */
const enterWithinMs = 10_000;
/** How often the room is looked for when the connection is lost: for about ten seconds, with what lies between. */
const attempts = 6;
/** How long to wait, when leaving, until the room has repeated the last line. */
const farewellMs = 2_000;

/** `millrace chat`: the room from a terminal, or from a pipe. */
export function chatCommand(): Command {
  return new Command("chat")
    .description("join the room of `millrace serve` from a terminal")
    .argument(
      "<url>",
      "quic://localhost:4433, wss://localhost:4433, ws://localhost:8080 or tcp://localhost:8081",
    )
    .option("--name <name>", "what the others call you", defaultName())
    .option("--ca <file>", "trust this authority, or this server's own certificate, PEM")
    .option("--insecure", "accept any certificate; somebody in between can then read and change everything")
    .addHelpText(
      "after",
      `
In the room: /who lists who is there, /quit leaves, so do Ctrl-C and Ctrl-D. A connection that is lost is tried
again ${attempts} times, for some ten seconds; what you typed meanwhile is then sent, and what the others said follows, unless
the room was restarted: it has forgotten. Where a line was not sent, you are told.`,
    )
    .action(chat);
}

async function chat(url: string, { name, ca, insecure = false }: ChatOptions): Promise<void> {
  const { host, scheme } = parseTransportUrl(url);
  const isClear = scheme === "ws" || scheme === "tcp";
  const trust = isClear ? undefined : await clientTrust(host, { ca, insecure });
  if (trust?.note) process.stderr.write(`${trust.note}\n`);
  const leaving = new AbortController();
  void untilSignal().then(() => leaving.abort());
  const { signal } = leaving;
  const screen = new Screen(process.stdout);
  const events = new ChatEvents(screen);
  const client = { signal, connectTimeoutMs: enterWithinMs, ...(trust?.tls && { tls: trust.tls }) };
  const room = await enter(url, { name, attempts, client }, events);
  if (signal.aborted) return room.leave();
  const input = createInterface({
    input: process.stdin,
    terminal: process.stdin.isTTY === true && process.stdout.isTTY === true,
    output: process.stdout,
    prompt: "> ",
  });
  signal.addEventListener("abort", () => input.close());
  const last = await converse(room, events, input, screen);
  await Promise.race([room.heard(last), delay(farewellMs, undefined, { ref: false })]);
  await room.leave();
  const cause = await events.ended;
  if (cause === undefined || signal.aborted) return;
  process.exitCode = 1;
  process.stderr.write(`the room is gone: ${cause.message}\n`);
}

/** @throws as `connect`; InvalidArgumentError where it is no room */
async function enter(url: string, options: RoomClientOptions, events: ChatEvents): Promise<RoomClient> {
  try {
    return await RoomClient.enter(connect, url, options, events);
  } catch (cause) {
    if (cause instanceof RefusedByRoom) throw new InvalidArgumentError(`${url} is no room: ${cause.message}`);
    throw cause;
  }
}

/**
 * Until the input ends, somebody says /quit or sends a signal, or the room is gone.
 * @returns the sequence of the last line that was said.
 */
async function converse(
  room: RoomClient,
  events: ChatEvents,
  input: Interface,
  screen: Screen,
): Promise<number> {
  let last = 0;
  input.on("SIGINT", () => input.close());
  void events.ended.then(() => input.close());
  screen.attach(input);
  for await (const typed of input) {
    const line = typed.trim();
    if (line === "/quit") break;
    if (line === "/who") screen.roster(events.participants);
    else if (line.startsWith("/")) screen.note("there are /who and /quit");
    else if (line !== "") last = (await say(room, events, screen, line)) ?? last;
    screen.prompt();
  }
  screen.detach();
  input.close();
  return last;
}

/** Says a line, no faster than the room takes them: a pipe may hold thousands. @returns its sequence */
async function say(
  room: RoomClient,
  events: ChatEvents,
  screen: Screen,
  text: string,
): Promise<number | undefined> {
  try {
    const sequence = await room.say(text);
    await delay(1_000 / events.linesPerSecond);
    return sequence;
  } catch (cause) {
    if (cause instanceof NotSaid) screen.note(cause.message);
    else if (cause instanceof RefusedByRoom) screen.note(`refused: ${cause.message}`);
    else throw cause;
    return undefined;
  }
}

function defaultName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry in the system's list, as containers have them.
    return "guest";
  }
}
