/**
 * Sessions over every transport: who they are, what they send and are sent, how they outlive their connections.
 * @module millrace/server
 */
export * from "../delivery/contract.js";
export { MemoryStore, type MemoryStoreOptions } from "../delivery/memory_store.js";
export type { QueuePolicy } from "../delivery/outgoing.js";
export { firstApplicationReject, RejectCode } from "../delivery/reject.js";
export type { Durability, Store, StoredMessage } from "../delivery/store.js";
export type { DispatcherOptions } from "../dispatch/options.js";
export type { Cursor } from "../topic/cursor.js";
export type { RetentionPolicies, TopicsOptions } from "../topic/options.js";
export type { RetentionPolicy } from "../topic/retention.js";
export type { Gap, HistoryEntry } from "../topic/topic_history.js";
export type { Subscribed, SubscribeFrom, TopicsStatistics } from "../topic/topics.js";
export type {
  Answer,
  AuthenticateContext,
  ClientHello,
  EarlyClient,
  EarlyEventHandler,
  EarlyEventHandlers,
  EarlyRequestHandler,
  EarlyRequestHandlers,
  EventHandler,
  EventHandlers,
  RequestHandler,
  RequestHandlers,
  ServerBehaviour,
  ServerWarning,
} from "./behaviour.js";
export type { ServerCounters } from "./core.js";
export { createServer } from "./create_server.js";
export type { Incoming, Middleware, OutgoingMessage } from "./middleware.js";
export type { ConnectedAt, NodeOptions } from "./node.js";
export type {
  HeartbeatOptions,
  LimitOptions,
  MessageIdOptions,
  ServerOptions,
} from "./options.js";
export type { Plugin, PluginHooks } from "./plugin.js";
export type {
  ProcessesBehaviour,
  ProcessesOptions,
  ProcessGroup,
  ProcessInfo,
} from "./processes/process_group.js";
export { startProcesses } from "./processes/start_processes.js";
export type { PublishResult, PublishStatus } from "./publish_result.js";
export { Refusal, type RefuseOptions, refuse } from "./refusal.js";
export type { SameClientPolicy } from "./registry.js";
export type { ReloadOptions } from "./reload.js";
export type { Server, SessionFilter, SessionPage, Target } from "./server.js";
export type { ServerRequest } from "./server_request.js";
export type { SubscribeResult } from "./server_topics.js";
export type {
  Session,
  SessionEnd,
  SessionInfo,
  SessionState,
} from "./session.js";
export type { ShutdownOptions } from "./shutdown.js";
export type { ListFilter, SessionList } from "./threads/listing.js";
export { type WellKnownOptions, wellKnown } from "./well_known.js";
export type { WorkersOptions } from "./workers/options.js";
export { startWorkers } from "./workers/start_workers.js";
export type { GroupTarget, WorkerGroup, WorkerInfo, WorkersBehaviour } from "./workers/worker_group.js";
export type { WorkerState } from "./workers/worker_slot.js";
