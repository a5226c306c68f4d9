import { checkHandlers } from "../options/handlers.js";
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
export async function beginSession(
  url: string,
  options: ClientOptions,
  behaviour: ClientBehaviour,
  platform: Platform,
): Promise<ClientSession> {
  checkHandlers(behaviour, handlerNames);
  const session = new ResumableSession(readClientOptions(options), behaviour, platform);
  await session.begin(url);
  return session;
}
