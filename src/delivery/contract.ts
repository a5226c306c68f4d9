/** What applications have of sessions at either end. */
export type { AcknowledgedLevel, Acknowledgement, AckOptions } from "./acknowledgement.js";
export type { CompressedBytes, Compression, CompressionFigures } from "./compression.js";
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
} from "./event_map.js";
export { FailureCode, type Reply, RequestFailure, type Success } from "./failure.js";
export type { Delivery, Priority } from "./lane.js";
export type { Message } from "./message.js";
export type { MessageId, RequestOptions, SendAckedOptions, SendOptions } from "./send_options.js";
export { decodeSocketClose, encodeSocketClose, type SocketClose, SocketMessage } from "./socket_message.js";
