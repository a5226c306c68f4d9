/** What a client has, wherever it runs. */
export * from "../delivery/contract.js";
export type { GoAway } from "../delivery/goaway.js";
export type { Cursor } from "../topic/cursor.js";
export type {
  ClientBehaviour,
  ClientEventHandler,
  ClientEventHandlers,
  ClientRequest,
  ClientRequestHandler,
  ClientRequestHandlers,
  Missed,
  Publication,
  RejectedMessage,
} from "./behaviour.js";
export type { ClientOptions } from "./options.js";
export type { ClientSession } from "./session.js";
export type { SubscribeFrom, Subscription } from "./subscription.js";
