import { InvalidArgumentError } from "../errors.js";
import { checkHandlers, checkHandlersBySubject } from "../options/handlers.js";
import { Attempt } from "./attempt.js";
import type { ClientBehaviour } from "./behaviour.js";
import { dial } from "./dial.js";
import { greetingOf } from "./greeting.js";
import { type ClientOptions, choiceOptions, type ReadClientOptions, readClientOptions } from "./options.js";
import { loadWithin, type Part } from "./part.js";
import type { Platform } from "./platform.js";
import type { ClientSession } from "./session.js";
import { isHost, readUrls } from "./urls.js";

const handlerNames = [
  "message",
  "publication",
  "gap",
  "rejected",
  "sent",
  "acknowledged",
  "request",
  "drain",
  "connecting",
  "connected",
  "disconnected",
  "switched",
  "probed",
  "goAway",
  "close",
  "error",
] satisfies (keyof ClientBehaviour)[];

/** Begins a session, as `connect` does. */
export async function beginSession<Events>(
  urls: string | readonly string[],
  options: ClientOptions,
  behaviour: ClientBehaviour<Events>,
  platform: Platform,
): Promise<ClientSession<Events>> {
  checkHandlers(behaviour, handlerNames);
  checkHandlersBySubject(behaviour, "requests", "events");
  if (platform.choice === undefined) refuseChoice(options);
  const read = readClientOptions(options, platform.choice);
  const { connectTimeoutMs, reconnect, signal } = read;
  const all = readUrls(urls);
  platform.choice?.check(read, all);
  const untyped = behaviour as unknown as ClientBehaviour; // what is carried is for the compiler alone
  const { session: carrier, extras } = platform;
  const needed: Part<unknown>[] = needsExtras(read, all, untyped) ? [carrier, extras] : [carrier];
  const missing = needed.filter(({ here }) => here === undefined);
  // A page connects meanwhile, where it has what that takes.
  const attempt = missing.length > 0 && needed.length === 1 ? new Attempt(signal) : undefined;
  const begun =
    attempt &&
    dial(all[0]!, platform, { ...read, signal: attempt.signal }, () => greetingOf(read, undefined));
  // The session hears of it, and may try again; where it would not, nothing more needs to be loaded.
  begun?.catch((cause) => reconnect?.initial || attempt!.callOff(cause));
  try {
    if (missing.length > 0) {
      const wanted = attempt?.signal ?? signal;
      await Promise.all(missing.map((part) => loadWithin(part, connectTimeoutMs, wanted)));
    }
    const session = new carrier.here!(all, read, untyped, platform);
    await session.begin(begun);
    return session as unknown as ClientSession<Events>;
  } catch (cause) {
    // Nothing is there for a connection to carry, be it there or on its way.
    attempt?.callOff(cause as Error);
    begun?.then(({ connection }) => connection.close({ graceful: false })).catch(() => {});
    throw attempt ? attempt.signal.reason : cause; // the first thing that went wrong
  } finally {
    attempt?.end();
  }
}

/** Whether a session has what a page loads at need from its begin on: else it is loaded where it is first asked for. */
function needsExtras(
  { lingerMs, codecs, transports }: ReadClientOptions,
  urls: readonly string[],
  { publication, gap, requests, request }: ClientBehaviour,
): boolean {
  const given = codecs ?? transports ?? publication ?? gap ?? requests ?? request;
  return given !== undefined || lingerMs > 0 || urls.length > 1 || urls.some(isHost);
}

/** @throws InvalidArgumentError */
function refuseChoice(options: ClientOptions): void {
  const given = choiceOptions.find((name) => options[name]);
  if (given === undefined) return;
  throw new InvalidArgumentError(
    `${given} is for who has several transports, and a page has one: leave it out`,
  );
}
