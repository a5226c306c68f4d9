/** What a client has, wherever it runs. */
export * from "../delivery/contract.js";
export type { GoAway } from "../delivery/goaway.js";
export type { QueuePolicy } from "../delivery/outgoing.js";
export type {
  ClientRequestOptions,
  ClientSendAckedOptions,
  ClientSendOptions,
  RetryOptions,
} from "../delivery/send_options.js";
export type { Cursor } from "../topic/cursor.js";
export type { EarlyDataOptions, TicketStore } from "../transport/early_data.js";
export type { BackoffOptions } from "./backoff.js";
export type {
  ClientBehaviour,
  ClientEventHandler,
  ClientEventHandlers,
  ClientRequest,
  ClientRequestHandler,
  ClientRequestHandlers,
  Connected,
  Missed,
  MissedOfTopic,
  Publication,
  RejectedMessage,
} from "./behaviour.js";
export type { ClientState, LostSession, Route } from "./carried.js";
export type { SwitchCause, SwitchRecord, Totals, TransportStatistics } from "./journal.js";
export type { ReceivedMessage } from "./message_inbox.js";
export { type MessageOf, type Messages, type MessagesOptions, messagesOf } from "./messages_of.js";
export type { NetworkNote, NetworkStore } from "./network_memory.js";
export type { ClientOptions, ReconnectOptions } from "./options.js";
export { type ClientPlugin, type ClientPluginHooks, withPlugins } from "./plugin.js";
export type { Lease, Pool, PoolMember, PoolOptions } from "./pool.js";
export type { ProbeOptions, ProbeResult } from "./probe.js";
export type { ProbedUrl, ProbeFigures, ProbeWeights } from "./probe_score.js";
export type { ClientSession } from "./session.js";
export type { SessionStatistics } from "./session_statistics.js";
export type { SubscribeFrom, Subscription } from "./subscription.js";
export type { AutoSwitchOptions, SwitchReason } from "./switch_policy.js";
export type { TokenSource } from "./token.js";
export type { SessionSocket, SessionSocketClass } from "./web_socket.js";
export type { SocketData } from "./web_socket_arguments.js";
export type { EventAttribute, SocketCloseEvent, WebSocketEvents } from "./web_socket_events.js";
