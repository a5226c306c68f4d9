import { InvalidArgumentError } from "../errors.js";
import { type CloseOptions, maxCloseCode, maxCloseReasonBytes } from "../transport/close.js";
import type { HttpHandler } from "../transport/http.js";
import type { ClientTlsOptions, ServerTlsOptions } from "../transport/tls.js";
import type { Transport } from "../transport/transport.js";
import type { Behaviour } from "./connection.js";

/** Options that listening and connecting share. */
export interface MessageOptions {
  /** The largest message, 1..64 MiB; 1 MiB by default. A peer that sends a larger one is closed. */
  readonly maxMessageBytes?: number;
  /** The queue size from which on `send` answers `blocked`, 1 B..1 GiB; 1 MiB by default. */
  readonly highWaterMarkBytes?: number;
  /** An open connection that hears nothing for so long is closed; 30,000 ms by default, 0 turns it off. */
  readonly idleTimeoutMs?: number;
  /** A handshake that takes longer fails; 10,000 ms by default. */
  readonly handshakeTimeoutMs?: number;
  /** ALPN names or subprotocols, the most wanted first; `millrace/1` on QUIC, `millrace.v1` on WebSocket. */
  readonly protocols?: readonly string[];
  /** Transports beside those that are built in; theirs is the first choice of scheme. */
  readonly transports?: readonly Transport[];
}

export interface ListenOptions extends MessageOptions {
  /** Required by `quic` and `wss`. */
  readonly tls?: ServerTlsOptions;
  /** Answers plain HTTP requests on WebSocket's port. */
  readonly http?: HttpHandler;
}

export interface ConnectOptions extends MessageOptions {
  readonly tls?: ClientTlsOptions;
  /** Gives up connecting; an open connection it leaves alone. */
  readonly signal?: AbortSignal;
}

const defaultBytes = 1024 * 1024;
const defaultIdleTimeoutMs = 30_000;
const defaultHandshakeTimeoutMs = 10_000;

/** Says why a value is not what an option allows, or undefined when it is. */
type Check = (value: unknown) => string | undefined;

const shared = {
  maxMessageBytes: integer(1, 64 * 1024 * 1024),
  highWaterMarkBytes: integer(1, 1024 * 1024 * 1024),
  idleTimeoutMs: integer(0, 86_400_000),
  handshakeTimeoutMs: integer(1, 3_600_000),
  protocols: list("a list of 1 or more names of 1..255 bytes", 1, isProtocolName),
  transports: list("a list of Transport objects", 0, isTransport),
} satisfies Record<keyof MessageOptions, Check>;

const listenChecks: Record<keyof ListenOptions, Check> = {
  ...shared,
  tls: a("an object {certificate, privateKey}", isObject),
  http: a("a function", isFunction),
};

const connectChecks: Record<keyof ConnectOptions, Check> = {
  ...shared,
  tls: a("an object {ca, serverName, insecure}", isObject),
  signal: a("an AbortSignal", (value) => value instanceof AbortSignal),
};

const closeChecks: Record<keyof CloseOptions, Check> = {
  code: integer(0, maxCloseCode),
  reason: a(
    `a string of at most ${maxCloseReasonBytes} bytes in UTF-8`,
    (value) => typeof value === "string" && new TextEncoder().encode(value).length <= maxCloseReasonBytes,
  ),
  graceful: a("true or false", (value) => typeof value === "boolean"),
  deadlineMs: integer(0, 86_400_000),
};

const listenerCloseChecks = { graceful: closeChecks.graceful, deadlineMs: closeChecks.deadlineMs };

/** Message options with nothing left out. */
export interface ResolvedMessageOptions {
  readonly maxMessageBytes: number;
  readonly highWaterMarkBytes: number;
  readonly idleTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
}

/** @throws InvalidArgumentError naming the option and what it allows; so do all of these. */
export function checkListenOptions(options: ListenOptions): void {
  check("option", options, listenChecks);
}

export function checkConnectOptions(options: ConnectOptions): void {
  check("option", options, connectChecks);
}

export function checkCloseOptions(options: CloseOptions): void {
  check("close option", options, closeChecks);
}

export function checkListenerCloseOptions(options: Pick<CloseOptions, "graceful" | "deadlineMs">): void {
  check("close option", options, listenerCloseChecks);
}

/** Behaviours may be instances with members of their own, so other names are not looked at. */
export function checkBehaviour<Data>(behaviour: Behaviour<Data>): void {
  if (!isObject(behaviour)) throw new InvalidArgumentError("the behaviour must be an object of handlers");
  for (const name of ["open", "message", "drain", "close", "error"] as const) {
    const handler: unknown = behaviour[name];
    if (handler !== undefined && !isFunction(handler)) {
      throw new InvalidArgumentError(`behaviour.${name} is ${show(handler)}; it must be a function`);
    }
  }
}

export function withDefaults(options: MessageOptions): ResolvedMessageOptions {
  return {
    maxMessageBytes: options.maxMessageBytes ?? defaultBytes,
    highWaterMarkBytes: options.highWaterMarkBytes ?? defaultBytes,
    idleTimeoutMs: options.idleTimeoutMs ?? defaultIdleTimeoutMs,
    handshakeTimeoutMs: options.handshakeTimeoutMs ?? defaultHandshakeTimeoutMs,
  };
}

function check(what: string, options: object, checks: Readonly<Record<string, Check>>): void {
  if (!isObject(options)) throw new InvalidArgumentError(`${what}s must be an object, not ${show(options)}`);
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, name)) {
      throw new InvalidArgumentError(
        `unknown ${what} "${name}"; there are ${Object.keys(checks).join(", ")}`,
      );
    }
    const allowed = value === undefined ? undefined : checks[name]?.(value);
    if (allowed !== undefined) {
      throw new InvalidArgumentError(`${what} ${name} is ${show(value)}; it must be ${allowed}`);
    }
  }
}

function a(allowed: string, is: (value: unknown) => boolean): Check {
  return (value) => (is(value) ? undefined : allowed);
}

function integer(min: number, max: number): Check {
  return a(`an integer of ${min}..${max}`, (value) => {
    return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
  });
}

function list(allowed: string, min: number, is: (value: unknown) => boolean): Check {
  return a(allowed, (value) => Array.isArray(value) && value.length >= min && value.every(is));
}

/** RFC 7301 section 3.1 limits ALPN names; a WebSocket subprotocol must be a token as well. */
function isProtocolName(value: unknown): boolean {
  return typeof value === "string" && /^[\x21-\x7e]{1,255}$/.test(value);
}

function isTransport(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { name, schemes, listen, connect } = value as Partial<Record<keyof Transport, unknown>>;
  return typeof name === "string" && Array.isArray(schemes) && isFunction(listen) && isFunction(connect);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return typeof value === "function" ? "a function" : String(value);
}
