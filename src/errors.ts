/**
 * Every error millrace throws or rejects with: one class each, a permanent `code`, and a message that
 * says what to do. Match on `code`; messages may be reworded.
 *
 * @see docs/errors.md
 */

/** The options every error takes. */
export interface MillraceErrorOptions {
  /** What went wrong underneath, where that is known. */
  readonly cause?: unknown;
}

/** What errors by which a peer ends a direction of a stream take. */
export interface StreamErrorOptions extends MillraceErrorOptions {
  /** 0 by default. */
  readonly applicationCode?: number;
}

/** The base of all errors. `retryable` says whether the same call may succeed later, unchanged. */
export abstract class MillraceError extends Error {
  abstract readonly code: `ERR_MILLRACE_${string}`;
  readonly retryable: boolean = false;

  /** The class's own, also where a page's bundler has renamed the class: made of the code, so `TimeoutError` of `…_TIMEOUT`. */
  override get name(): string {
    const words = this.code
      .slice(12)
      .replace(/_(.)([A-Z]+)/g, (_, initial, rest) => initial + rest.toLowerCase());
    return `${words}Error`;
  }
}

/** An option or argument has the wrong type or range; the message names it and what is allowed. */
export class InvalidArgumentError extends MillraceError {
  readonly code = "ERR_MILLRACE_INVALID_ARGUMENT";
}

/** No native addon fits this platform, or it was built for another version. QUIC needs it. */
export class AddonUnavailableError extends MillraceError {
  readonly code = "ERR_MILLRACE_ADDON_UNAVAILABLE";
}

/** Another socket holds the port. */
export class AddressInUseError extends MillraceError {
  readonly code = "ERR_MILLRACE_ADDRESS_IN_USE";
  override readonly retryable = true;
}

/** The operating system refuses the address or port to this user. */
export class AddressForbiddenError extends MillraceError {
  readonly code = "ERR_MILLRACE_ADDRESS_FORBIDDEN";
}

/** The address is not one of this machine's, or its name does not resolve. */
export class AddressUnavailableError extends MillraceError {
  readonly code = "ERR_MILLRACE_ADDRESS_UNAVAILABLE";
  override readonly retryable = true;
}

/** A certificate, key or CA file does not exist. */
export class CredentialMissingError extends MillraceError {
  readonly code = "ERR_MILLRACE_CREDENTIAL_MISSING";
}

/** A certificate, key or CA could not be read or parsed. */
export class CredentialUnreadableError extends MillraceError {
  readonly code = "ERR_MILLRACE_CREDENTIAL_UNREADABLE";
}

/** The private key does not belong to the certificate. */
export class CredentialMismatchError extends MillraceError {
  readonly code = "ERR_MILLRACE_CREDENTIAL_MISMATCH";
}

/** The certificate is expired or not yet valid: our own at listen, the peer's at connect. */
export class CertificateExpiredError extends MillraceError {
  readonly code = "ERR_MILLRACE_CERTIFICATE_EXPIRED";
}

/** The peer's certificate is not signed by a CA that is trusted here. */
export class CertificateUntrustedError extends MillraceError {
  readonly code = "ERR_MILLRACE_CERTIFICATE_UNTRUSTED";
}

/** The peer's certificate is for another name. */
export class CertificateNameError extends MillraceError {
  readonly code = "ERR_MILLRACE_CERTIFICATE_NAME";
}

/** The peer requires a client certificate and did not get one that it accepts. */
export class CertificateRequiredError extends MillraceError {
  readonly code = "ERR_MILLRACE_CERTIFICATE_REQUIRED";
}

/** A certificate was refused by the application, `authenticate`: a peer's by ours, or ours by the peer's. */
export class CertificateRefusedError extends MillraceError {
  readonly code = "ERR_MILLRACE_CERTIFICATE_REFUSED";
}

/** The TLS handshake failed for a reason that has no class of its own. */
export class HandshakeFailedError extends MillraceError {
  readonly code = "ERR_MILLRACE_HANDSHAKE_FAILED";
}

/** The peer speaks none of our application protocols (RFC 7301; for WebSocket the subprotocol). */
export class ProtocolMismatchError extends MillraceError {
  readonly code = "ERR_MILLRACE_PROTOCOL_MISMATCH";
}

/** Nothing listens on the address, and the network said so. */
export class ConnectionRefusedError extends MillraceError {
  readonly code = "ERR_MILLRACE_CONNECTION_REFUSED";
  override readonly retryable = true;
}

/** No answer within the handshake timeout. */
export class HandshakeTimeoutError extends MillraceError {
  readonly code = "ERR_MILLRACE_HANDSHAKE_TIMEOUT";
  override readonly retryable = true;
}

/** What the caller waited for was cancelled by the caller's AbortSignal. */
export class AbortedError extends MillraceError {
  readonly code = "ERR_MILLRACE_ABORTED";
}

/** What the caller waited for did not come within the caller's `timeoutMs`. */
export class TimeoutError extends MillraceError {
  readonly code = "ERR_MILLRACE_TIMEOUT";
  override readonly retryable = true;
}

/** A handler took longer than it may: the reason of its AbortSignal. */
export class HandlerTimeoutError extends MillraceError {
  readonly code = "ERR_MILLRACE_HANDLER_TIMEOUT";
}

/** What became of one of the URLs that a client has tried. */
export interface FailedUrl {
  readonly url: string;
  readonly error: unknown;
}

/** What the error of a client that reached its server by no URL takes. */
export interface ConnectFailedOptions extends MillraceErrorOptions {
  readonly errors?: readonly FailedUrl[] | undefined;
}

/** None of several URLs led to a session; what one alone has failed with is thrown as it is. */
export class ConnectFailedError extends MillraceError {
  readonly code = "ERR_MILLRACE_CONNECT_FAILED";
  /** Whether one of the errors is. */
  override readonly retryable: boolean;
  /** One for each URL, in the order in which they were wanted. */
  readonly errors: readonly FailedUrl[];

  constructor(message: string, { errors = [], ...options }: ConnectFailedOptions = {}) {
    super(message, options);
    this.errors = errors.map(({ url, error }) => ({ url, error }));
    this.retryable = errors.some(({ error }) => error instanceof MillraceError && error.retryable);
  }
}

/** A host does not say, by its well-known document, by what URLs its server is reached. */
export class DiscoveryFailedError extends MillraceError {
  readonly code = "ERR_MILLRACE_DISCOVERY_FAILED";
  override readonly retryable = true;
}

/** An open connection went silent, or its network went away. */
export class ConnectionLostError extends MillraceError {
  readonly code = "ERR_MILLRACE_CONNECTION_LOST";
  override readonly retryable = true;
}

/** The connection is closed or closing; nothing more can be sent on it. */
export class ConnectionClosedError extends MillraceError {
  readonly code = "ERR_MILLRACE_CONNECTION_CLOSED";
}

/** What the error of a refusal by a server takes. */
export interface RefusalOptions extends MillraceErrorOptions {
  /** 0 by default. */
  readonly rejectCode?: number;
  readonly retryAfterMs?: number | undefined;
  readonly target?: string | undefined;
}

/** The server did not let this client begin a session. */
export class SessionRefusedError extends MillraceError {
  readonly code = "ERR_MILLRACE_SESSION_REFUSED";
  /** Of `RejectCode`, or the server's application's. */
  readonly rejectCode: number;
  /** When it may be tried again; undefined where the server does not say. */
  readonly retryAfterMs: number | undefined;
  /** Where it may be tried instead: a URL; undefined where the server does not say. */
  readonly target: string | undefined;

  constructor(message: string, { rejectCode = 0, retryAfterMs, target, ...options }: RefusalOptions = {}) {
    super(message, options);
    this.rejectCode = rejectCode;
    this.retryAfterMs = retryAfterMs;
    this.target = target;
  }
}

/** The session is over; nothing more can be sent to it. */
export class SessionClosedError extends MillraceError {
  readonly code = "ERR_MILLRACE_SESSION_CLOSED";
}

/** What the error of a large message takes. */
export interface TransferErrorOptions extends MillraceErrorOptions {
  /** 0 by default. */
  readonly failureCode?: number;
}

/** A large message has not come through: the other side refused or ended it, or the session was lost. */
export class TransferFailedError extends MillraceError {
  readonly code = "ERR_MILLRACE_TRANSFER_FAILED";
  /** Of `FailureCode`, or the other side's application's. */
  readonly failureCode: number;

  constructor(message: string, { failureCode = 0, ...options }: TransferErrorOptions = {}) {
    super(message, options);
    this.failureCode = failureCode;
  }
}

/** The stream's sending side has ended or was reset. */
export class StreamClosedError extends MillraceError {
  readonly code = "ERR_MILLRACE_STREAM_CLOSED";
}

/** The peer reset its sending side of a stream (RFC 9000 section 19.4): what was not read yet is lost. */
export class StreamResetError extends MillraceError {
  readonly code = "ERR_MILLRACE_STREAM_RESET";
  /** The code that the peer's application gave. */
  readonly applicationCode: number;

  constructor(message: string, options?: StreamErrorOptions) {
    super(message, options);
    this.applicationCode = options?.applicationCode ?? 0;
  }
}

/** The peer asked to send no more on a stream (RFC 9000 section 19.5): what it had not read is lost. */
export class StreamStoppedError extends MillraceError {
  readonly code = "ERR_MILLRACE_STREAM_STOPPED";
  /** The code that the peer's application gave. */
  readonly applicationCode: number;

  constructor(message: string, options?: StreamErrorOptions) {
    super(message, options);
    this.applicationCode = options?.applicationCode ?? 0;
  }
}

/** It is read in another way already: a stream, a connection's datagrams, a session's messages have one reader. */
export class ReaderLockedError extends MillraceError {
  readonly code = "ERR_MILLRACE_READER_LOCKED";
}

/** The peer allows no further streams for now. */
export class StreamLimitError extends MillraceError {
  readonly code = "ERR_MILLRACE_STREAM_LIMIT";
  override readonly retryable = true;
}

/** The listener is closed. */
export class ListenerClosedError extends MillraceError {
  readonly code = "ERR_MILLRACE_LISTENER_CLOSED";
}

/** A message is larger than the limit that both sides agreed on. */
export class FrameTooLargeError extends MillraceError {
  readonly code = "ERR_MILLRACE_FRAME_TOO_LARGE";
}

/** A frame is not one: the connection it came on is closed. */
export class FrameMalformedError extends MillraceError {
  readonly code = "ERR_MILLRACE_FRAME_MALFORMED";
}

/** The peer broke the protocol in another way than by a malformed frame. */
export class ProtocolViolationError extends MillraceError {
  readonly code = "ERR_MILLRACE_PROTOCOL_VIOLATION";
}

/** The peer went beyond what this side bears: frames that it never finishes, streams that it aborts in a flood. */
export class PolicyViolationError extends MillraceError {
  readonly code = "ERR_MILLRACE_POLICY_VIOLATION";
}

/** A cap on memory was reached; the message names the cap. */
export class ResourceExhaustedError extends MillraceError {
  readonly code = "ERR_MILLRACE_RESOURCE_EXHAUSTED";
  override readonly retryable = true;
}

/** The server's store failed, or was too slow: a message is not known to be stored. `cause` says why. */
export class StoreFailedError extends MillraceError {
  readonly code = "ERR_MILLRACE_STORE_FAILED";
  override readonly retryable = true;
}

/** A subscriber, or all together, have as many subscriptions as are allowed; the message names the cap. */
export class SubscriptionLimitError extends MillraceError {
  readonly code = "ERR_MILLRACE_SUBSCRIPTION_LIMIT";
  override readonly retryable = true;
}

/** There are as many topics as are allowed, and every one of them has a subscriber or a history. */
export class TopicLimitError extends MillraceError {
  readonly code = "ERR_MILLRACE_TOPIC_LIMIT";
  override readonly retryable = true;
}

/** The thread that numbers a topic's messages has ended, or does not answer: it is asked again by who tries again. */
export class TopicHomeError extends MillraceError {
  readonly code = "ERR_MILLRACE_TOPIC_HOME";
  override readonly retryable = true;
}

/** All slots of a session table are in use. One that is released can be taken at once. */
export class SessionTableFullError extends MillraceError {
  readonly code = "ERR_MILLRACE_SESSION_TABLE_FULL";
  override readonly retryable = true;
}

/** This environment has left the sessions that it shared: no more of them can be its own. */
export class SessionsClosedError extends MillraceError {
  readonly code = "ERR_MILLRACE_SESSIONS_CLOSED";
  override readonly retryable = false;
}

/** The engine has listeners or connections, and what was asked for can be set only while it has none. */
export class EngineInUseError extends MillraceError {
  readonly code = "ERR_MILLRACE_ENGINE_IN_USE";
  override readonly retryable = true;
}

/** This worker thread has a server already, and a worker of `startWorkers` has one at a time. */
export class ServerInUseError extends MillraceError {
  readonly code = "ERR_MILLRACE_SERVER_IN_USE";
  override readonly retryable = true;
}

/** A worker thread could not be started, or did not make a server in its time; the message says why. */
export class WorkerFailedError extends MillraceError {
  readonly code = "ERR_MILLRACE_WORKER_FAILED";
}

/** No transport is registered for the URL's scheme. */
export class UnknownTransportError extends MillraceError {
  readonly code = "ERR_MILLRACE_UNKNOWN_TRANSPORT";
}

/** An optional package that this needs is not installed, or cannot be loaded; the message has the command. */
export class PackageMissingError extends MillraceError {
  readonly code = "ERR_MILLRACE_PACKAGE_MISSING";
}

/** A compression, or a dictionary for it, that this platform does not have; the message says where there is one. */
export class CompressionUnavailableError extends MillraceError {
  readonly code = "ERR_MILLRACE_COMPRESSION_UNAVAILABLE";
}

/** The keys by which tokens are verified could not be fetched, so nobody can be let in by one. */
export class KeysUnavailableError extends MillraceError {
  readonly code = "ERR_MILLRACE_KEYS_UNAVAILABLE";
  override readonly retryable = true;
}

/** A fault of millrace or of a library below it; please report it with its cause. */
export class InternalError extends MillraceError {
  readonly code = "ERR_MILLRACE_INTERNAL";
}
