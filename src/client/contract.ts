/** What a client has, wherever it runs. */
export type { AcknowledgedLevel, Acknowledgement, AckOptions } from "../delivery/acknowledgement.js";
export {
  type Answered,
  type AnswerOf,
  type Asked,
  type Carrying,
  type EventMap,
  type EventOf,
  type EventSubject,
  type IsAny,
  type Json,
  json,
  type Payload,
  type RequestArguments,
  type RequestSubject,
  type SendArguments,
  type SubjectsOf,
} from "../delivery/event_map.js";
export { FailureCode, type Reply, RequestFailure, type Success } from "../delivery/failure.js";
export type { GoAway } from "../delivery/goaway.js";
export type { Delivery, Priority } from "../delivery/lane.js";
export type { Message } from "../delivery/message.js";
export type { MessageId, RequestOptions, SendAckedOptions, SendOptions } from "../delivery/send_options.js";
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
export type { SubscribeFrom, Subscription } from "./topic_cursors.js";
