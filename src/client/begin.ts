import { InvalidArgumentError } from "../errors.js";
import { checkHandlers, checkHandlersBySubject } from "../options/handlers.js";
import { Attempt } from "./attempt.js";
import type { ClientBehaviour } from "./behaviour.js";
import { type Dialled, dial } from "./dial.js";
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
  const all = readUrls(urls);
  platform.choice?.check(read, all);
  const untyped = behaviour as unknown as ClientBehaviour; // what is carried is for the compiler alone
  const { session: carrier, extras } = platform;
  const needed: Part<unknown>[] = needsExtras(read, all, untyped) ? [carrier, extras] : [carrier];
  const missing = needed.filter(({ here }) => here === undefined);
  // A page connects meanwhile, where it has what that takes.
  const attempt = missing.length > 0 && needed.length === 1 ? new Attempt(read.signal) : undefined;
  const begun = attempt && dialAhead(all[0]!, platform, { ...read, signal: attempt.signal });
  try {
    if (missing.length > 0) {
      await Promise.all(missing.map((part) => loadWithin(part, read.connectTimeoutMs, read.signal)));
    }
    const session = new carrier.here!(all, read, untyped, platform);
    await session.begin(begun);
    return session as unknown as ClientSession<Events>;
  } catch (cause) {
    // Nothing is there for a connection to carry, be it there or on its way.
    attempt?.callOff(cause as Error);
    begun?.then(({ connection }) => connection.close({ graceful: false })).catch(() => {});
    throw cause;
  } finally {
    attempt?.end();
  }
}

function dialAhead(url: string, platform: Platform, options: ReadClientOptions): Promise<Dialled> {
  const begun = dial(url, platform, options, () => greetingOf(options, undefined));
  begun.catch(() => {}); // which the session hears
  return begun;
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
