import { checkHandlers, checkHandlersBySubject } from "../options/handlers.js";
import type { ClientBehaviour } from "./behaviour.js";
import { ResumableSession } from "./client_session.js";
import { type ClientOptions, readClientOptions } from "./options.js";
import type { Platform } from "./platform.js";
import type { ClientSession } from "./session.js";

const handlerNames = [
  "message",
  "publication",
  "gap",
  "rejected",
  "sent",
  "acknowledged",
  "request",
  "drain",
  "detached",
  "goAway",
  "close",
  "error",
] satisfies (keyof ClientBehaviour)[];

/** Begins a session, as `connectSession` does. */
export async function beginSession<Events>(
  url: string,
  options: ClientOptions,
  behaviour: ClientBehaviour<Events>,
  platform: Platform,
): Promise<ClientSession<Events>> {
  checkHandlers(behaviour, handlerNames);
  checkHandlersBySubject(behaviour, "requests", "events");
  const untyped = behaviour as unknown as ClientBehaviour; // what is carried is for the compiler alone
  const session = new ResumableSession(readClientOptions(options), untyped, platform);
  await session.begin(url);
  return session as unknown as ClientSession<Events>;
}
