import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { readOptions } from "../options/read.js";
import { isFunction, isRecord, object, option, optional } from "../options/schema.js";
import type { Incoming, Middleware } from "../server/middleware.js";
import type { Session } from "../server/session.js";
import { type AccessRules, allows, readAccessRules } from "./access_rules.js";

/** What {@link access} holds sessions to. */
export interface AccessOptions<Data = unknown> {
  /** The rules of all sessions; or a function that says those of one: it is asked once, and again after `refresh`. */
  readonly rules: AccessRules | ((session: Session<Data>) => AccessRules);
  /** Is told of what was denied, for logs. */
  readonly denied?: ((session: Session<Data>, incoming: Incoming) => void) | undefined;
}

/** A middleware that holds sessions to rules. */
export interface AccessMiddleware<Data> extends Middleware<Data> {
  /** A session's rights have changed: its rules are asked for again when it next wants something. */
  refresh(session: Session<Data>): void;
}

type ReadRules = ReturnType<typeof readAccessRules>;

const schema = object({
  rules: option<AccessRules | ((session: never) => AccessRules)>(
    "an object of rules, or a function that returns one",
    (value) => isFunction(value) || isRecord(value),
  ),
  denied: optional(option<(session: never, incoming: Incoming) => void>("a function", isFunction)),
} satisfies Record<keyof AccessOptions, unknown>);

/**
 * Lets sessions request, publish, subscribe to and send only what their rules allow. A request, publication or
 * subscription that they do not fails as `forbidden`, whether there is anything of that name or not; a message ends
 * there.
 * @throws InvalidArgumentError
 */
// biome-ignore lint/suspicious/noExplicitAny: it fits sessions of any data
export function access<Data = any>(options: AccessOptions<Data>): AccessMiddleware<NoInfer<Data>> {
  const read = readOptions(schema, options) as AccessOptions<Data>;
  const { rules, denied } = read;
  const common = typeof rules === "function" ? undefined : readAccessRules(rules);
  const own = new WeakMap<Session<Data>, ReadRules>();

  const rulesOf = (session: Session<Data>): ReadRules => {
    const known = common ?? own.get(session);
    if (known !== undefined) return known;
    const asked = readAccessRules((rules as (session: Session<Data>) => AccessRules)(session));
    own.set(session, asked);
    return asked;
  };

  return {
    name: "access",
    incoming(session, incoming, next) {
      const { kind, subject } = incoming;
      const isOpen = kind === "unsubscribe" || (kind === "message" && subject === undefined);
      if (isOpen) return next();
      const rule = rulesOf(session)[kind];
      if (allows(rule, kind === "subscribe", subject ?? "", session.clientId)) return next();
      denied?.(session, incoming);
      if (kind === "message") return undefined;
      throw new RequestFailure("not allowed", FailureCode.forbidden);
    },
    refresh: (session) => void own.delete(session),
  };
}
