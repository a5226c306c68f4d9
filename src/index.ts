/**
 * Whole messages over QUIC, WebSocket and TCP through one API; and the errors of all of millrace.
 * @module millrace
 */
export * from "./errors.js";
export type { FrameHeader } from "./frame/codec.js";
export { connect } from "./frame/connect.js";
export type { Behaviour, Connection } from "./frame/connection.js";
export type { FrameContents, FrameExtras, MetaEntry } from "./frame/frame.js";
export { jsonCodec } from "./frame/json_codec.js";
export { type Listener, type ListenerCloseOptions, listen } from "./frame/listen.js";
export { type Codec, frameCodec } from "./frame/message_codec.js";
export type { ConnectOptions, ListenOptions, MessageOptions } from "./frame/options.js";
export { publish } from "./frame/publish.js";
export { formatAddress, type SocketAddress, type TransportUrl } from "./transport/address.js";
export { Admission, type AdmissionOptions } from "./transport/admission.js";
export {
  CloseCode,
  type CloseInfo,
  type CloseOptions,
  maxCloseCode,
  maxCloseReasonBytes,
} from "./transport/close.js";
export { peerCloseError } from "./transport/close_error.js";
export {
  type ConnectionFigures,
  type ConnectionId,
  type ConnectionState,
  nextConnectionId,
  type PlacedFrame,
  type Publisher,
  type SendResult,
  type TransportBehaviour,
  type TransportConnection,
} from "./transport/connection.js";
export type { Control, StreamFraming } from "./transport/control.js";
export type { HttpHandler, HttpRequest, HttpResponse } from "./transport/http.js";
export { Liveness, type Watched } from "./transport/liveness.js";
export type { ClientTlsOptions, PemSource, ServerTlsOptions } from "./transport/tls.js";
export type {
  Transport,
  TransportConnectOptions,
  TransportListener,
  TransportListenOptions,
  TransportOptions,
} from "./transport/transport.js";
