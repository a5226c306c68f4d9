/** What a client has, wherever it runs. */
export type { AcknowledgedLevel, Acknowledgement, AckOptions } from "../delivery/acknowledgement.js";
export { FailureCode, type Reply, RequestFailure } from "../delivery/failure.js";
export type { GoAway } from "../delivery/goaway.js";
export type { Delivery, Priority } from "../delivery/lane.js";
export type { Message } from "../delivery/message.js";
export type { MessageId, RequestOptions, SendAckedOptions, SendOptions } from "../delivery/send_options.js";
export type { Cursor } from "../topic/cursor.js";
export type {
  ClientBehaviour,
  ClientRequest,
  ClientRequestHandler,
  Missed,
  Publication,
  RejectedMessage,
} from "./behaviour.js";
export type { ClientOptions } from "./options.js";
export type { ClientSession } from "./session.js";
export type { SubscribeFrom, Subscription } from "./topic_cursors.js";
