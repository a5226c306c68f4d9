import { RequestFailure } from "../delivery/failure.js";
import { readOptions } from "../options/read.js";
import { flag, integer, object, oneOf, option, withDefault } from "../options/schema.js";
import type { AuthenticateContext, ClientHello } from "../server/behaviour.js";
import type { Middleware } from "../server/middleware.js";
import { Refusal } from "../server/refusal.js";
import type { Session } from "../server/session.js";
import { cleanText } from "./clean_text.js";

/** How grave an entry is, the least first. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * What a log entry says beside its event. Texts that came from a client are cleaned: of one line, without control
 * characters, and cut. Payloads and tokens are never among them.
 */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** A logger such as pino's: a method for each level, which takes an object and a message. */
export interface Logger {
  /** Messages, where they are logged. */
  debug(fields: LogFields, event: string): unknown;
  /** Sessions that begin and end. */
  info(fields: LogFields, event: string): unknown;
  /** Clients and requests that are refused. */
  warn(fields: LogFields, event: string): unknown;
  /** Handlers and authentication that threw. */
  error(fields: LogFields, event: string): unknown;
}

/** Is called with every entry: how grave it is, what happened, and to whom. */
export type LogFunction = (level: LogLevel, event: string, fields: LogFields) => unknown;

/** Where {@link logging} writes, and what. */
export interface LoggingOptions {
  /** Is called with every entry: a logger such as pino's, or a function. What it throws does no harm to what is logged. */
  readonly logger: Logger | LogFunction;
  /** Entries that are less grave are not written; `debug` by default: all are. Can be set later: see {@link LoggingMiddleware}. */
  readonly level?: LogLevel | undefined;
  /** Logs every message and request too, both ways, at `debug`. Default false: only sessions, refusals and errors. */
  readonly messages?: boolean | undefined;
  /** The most characters of a text that a client sent, 16..65,536; 256 by default. */
  readonly maxTextLength?: number | undefined;
}

/** What {@link logging} returns. */
export interface LoggingMiddleware<Data = unknown> extends Middleware<Data> {
  /** From now on entries that are less grave are not written. @throws InvalidArgumentError for what is no level */
  level: LogLevel;
}

/** The least first. */
const levels = ["debug", "info", "warn", "error"] as const satisfies readonly LogLevel[];
const levelOption = oneOf(...levels);

const schema = object({
  logger: option<Logger | LogFunction>("a function, or an object with debug, info, warn and error", isLogger),
  level: withDefault(levelOption, "debug"),
  messages: withDefault(flag, false),
  maxTextLength: withDefault(integer(16, 65_536), 256),
} satisfies Record<keyof LoggingOptions, unknown>);

/**
 * Logs who connects, who and what is refused, how sessions end, and what handlers throw: events `connected`, `refused`,
 * `failed`, `closed`, and `received` and `sent` where `messages` is set. Put it first in the list, so that it sees what
 * the other middleware refuses.
 */
// biome-ignore lint/suspicious/noExplicitAny: it fits sessions of any data
export function logging<Data = any>(options: LoggingOptions): LoggingMiddleware<NoInfer<Data>> {
  const { logger, level, messages, maxTextLength } = readOptions(schema, options);
  let least = levels.indexOf(level);
  const isWritten = (level: LogLevel) => levels.indexOf(level) >= least;
  const write = safely(logger);
  const log: LogFunction = (level, event, fields) => isWritten(level) && write(level, event, fields);
  const clean = (text: string | undefined) =>
    text === undefined ? undefined : cleanText(text, maxTextLength);
  const describe = (cause: unknown) => {
    const { name, message, code } = errorOf(cause);
    return { error: clean(name), code: clean(code), message: clean(message) };
  };
  const who = ({ id, clientId, transport, remoteAddress }: Session<Data>) => ({
    session: id,
    clientId: clean(clientId),
    transport,
    address: remoteAddress?.address,
  });
  const started = new WeakMap<AuthenticateContext, number>();
  const client = (hello: ClientHello, context: AuthenticateContext) => ({
    clientId: clean(context.clientId ?? hello.clientId),
    transport: context.transport,
    address: context.remoteAddress.address,
    origin: clean(context.origin),
    resuming: hello.resuming,
    durationMs: millisecondsSince(started.get(context) ?? performance.now()),
  });
  const refused = (hello: ClientHello, context: AuthenticateContext, { code, reason }: Refusal) =>
    log("warn", "refused", { ...client(hello, context), code, reason: clean(reason) });

  return {
    name: "logging",

    get level(): LogLevel {
      return levels[least]!;
    },
    set level(level: LogLevel) {
      least = levels.indexOf(readOptions(object({ level: levelOption }), { level }).level);
    },

    async connect(hello, context, next) {
      started.set(context, performance.now());
      try {
        const answer = await next();
        if (answer instanceof Refusal) refused(hello, context, answer);
        return answer;
      } catch (cause) {
        log("error", "failed", { ...client(hello, context), ...describe(cause) });
        throw cause;
      }
    },

    settled(hello, context, refusal) {
      if (refusal === undefined) log("info", "connected", client(hello, context));
      else refused(hello, context, refusal);
    },

    incoming(session, { kind, type, subject, payload }, next) {
      const startedMs = performance.now();
      const bytes = payload.length;
      const fields = () => ({
        ...who(session),
        kind,
        type,
        subject: clean(subject),
        bytes,
        durationMs: millisecondsSince(startedMs),
      });
      const done = () => messages && isWritten("debug") && log("debug", "received", fields());
      const failed = (cause: unknown) => {
        if (!(cause instanceof RequestFailure)) log("error", "failed", { ...fields(), ...describe(cause) });
        else log("warn", "refused", { ...fields(), code: cause.code, reason: clean(cause.message) });
      };
      try {
        const returned = next();
        if (returned instanceof Promise) returned.then(done, failed);
        else done();
        return returned;
      } catch (cause) {
        failed(cause);
        throw cause;
      }
    },

    ...(messages && {
      outgoing(session, { kind, type, subject, payload }, next) {
        const bytes = payload.length;
        const result = next();
        if (isWritten("debug")) {
          log("debug", "sent", { ...who(session), kind, type, subject: clean(subject), bytes, result });
        }
        return result;
      },
    }),

    close(session, { by, code, reason }, next) {
      log("info", "closed", { ...who(session), by, code, reason: clean(reason) });
      return next();
    },
  };
}

function isLogger(value: unknown): boolean {
  if (typeof value === "function") return true;
  if (typeof value !== "object" || value === null) return false;
  const methods = value as Readonly<Record<string, unknown>>;
  return ["debug", "info", "warn", "error"].every((level) => typeof methods[level] === "function");
}

/** What the logger throws is warned of once: traffic goes on. */
function safely(logger: Logger | LogFunction): LogFunction {
  let hasFailed = false;
  return (level, event, fields) => {
    try {
      if (typeof logger === "function") logger(level, event, fields);
      else logger[level](fields, event);
    } catch (cause) {
      if (hasFailed) return;
      hasFailed = true;
      process.emitWarning(`the logger of the logging middleware throws: ${cause}`, {
        code: "MILLRACE_LOGGER",
      });
    }
  };
}

function errorOf(cause: unknown): { name: string; message: string; code: string | undefined } {
  if (!(cause instanceof Error)) return { name: typeof cause, message: String(cause), code: undefined };
  const { code } = cause as { code?: unknown };
  return { name: cause.name, message: cause.message, code: code === undefined ? undefined : String(code) };
}

function millisecondsSince(startedMs: number): number {
  return Math.round((performance.now() - startedMs) * 1000) / 1000;
}
