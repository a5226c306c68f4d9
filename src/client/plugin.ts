import { checkHandlers, checkHandlersOf, checkOnlyHandlers } from "../options/handlers.js";
import { inOrder } from "../options/in_order.js";
import { readOptions, show } from "../options/read.js";
import { isObject, listOf, object } from "../options/schema.js";
import { callReported, throwUncaught } from "../transport/uncaught.js";
import type { ClientBehaviour } from "./behaviour.js";
import type { ClientSession } from "./session.js";

/** Extends a client, as those of `millrace/server` extend a server. */
export interface ClientPlugin {
  readonly name: string;
  /** Plugins that are set up before this one, whose hooks are called before its own, and which are disposed of after it. */
  readonly dependencies?: readonly string[];
  /** What the plugin does at the events of sessions, before the application's own handlers. */
  readonly hooks?: ClientPluginHooks;
  /** A session is connected for the first time: called before any hook. What it throws goes to `error`. */
  setup?(session: ClientSession): unknown;
  /** Called when that session is over, behind all `close`. */
  dispose?(session: ClientSession): unknown;
}

/** The handlers that plugins may have beside the application's. */
const hookNames = [
  "connected",
  "disconnected",
  "switched",
  "gap",
  "goAway",
  "drain",
  "sent",
  "acknowledged",
  "rejected",
  "probed",
  "close",
  "error",
] as const satisfies readonly (keyof ClientBehaviour)[];

/** What a plugin does at the events of sessions. */
export type ClientPluginHooks = Pick<ClientBehaviour, (typeof hookNames)[number]>;

type Handler = (session: ClientSession, ...args: unknown[]) => unknown;
type Handlers = Record<string, unknown>;

const schema = object({
  plugins: listOf<ClientPlugin>(
    "a list of plugins",
    0,
    (value) => isObject(value) && typeof (value as { name?: unknown }).name === "string",
  ),
});

/**
 * A behaviour with plugins around it, for `connect` and `createPool`. What one of them throws goes to `error`, and the
 * others are called all the same.
 * @throws InvalidArgumentError where one is none, is there twice, or needs what is not there
 */
export function withPlugins<Events = unknown>(
  behaviour: ClientBehaviour<Events>,
  plugins: readonly ClientPlugin[],
): ClientBehaviour<Events> {
  checkHandlers(behaviour, []);
  const ordered = inOrder(readOptions(schema, { plugins }).plugins);
  for (const plugin of ordered) {
    const what = `plugin ${show(plugin.name)}`;
    checkHandlersOf(what, plugin, ["setup", "dispose"]);
    if (plugin.hooks !== undefined) checkOnlyHandlers(`${what}.hooks`, plugin.hooks, hookNames);
  }
  const composed = bound(behaviour);
  const layers = [...ordered.map(({ hooks = {} }) => hooks), behaviour] as readonly Handlers[];
  const calls = new Map<string, readonly Handler[]>(hookNames.map((name) => [name, of(layers, name)]));
  const settingUp = ordered.map((plugin) => once((session) => plugin.setup?.(session)));
  calls.set("connected", [...settingUp, ...calls.get("connected")!]);
  const disposing = ordered.map((plugin) => (session: ClientSession) => plugin.dispose?.(session)).reverse();
  calls.set("close", [...calls.get("close")!, ...disposing]);
  const errors = calls.get("error")!;
  const report = (session: ClientSession, cause: unknown): void => {
    if (errors.length === 0) throwUncaught(cause);
    for (const call of errors) callReported(() => call(session, cause), throwUncaught);
  };
  for (const [name, handlers] of calls) {
    if (handlers.length === 0) continue;
    composed[name] = (session: ClientSession, ...args: unknown[]) => {
      if (name === "error") report(session, args[0]);
      else
        for (const call of handlers)
          callReported(
            () => call(session, ...args),
            (cause) => report(session, cause),
          );
    };
  }
  return composed as ClientBehaviour<Events>;
}

/** Once for each session. */
function once(call: Handler): Handler {
  const known = new WeakSet<ClientSession>();
  return (session) => {
    if (known.has(session)) return undefined;
    known.add(session);
    return call(session);
  };
}

/** The handlers of one event, each as its owner has it. */
function of(layers: readonly Handlers[], name: string): readonly Handler[] {
  return layers.flatMap((layer) => {
    const handler = layer[name] as Handler | undefined;
    return handler === undefined ? [] : [handler.bind(layer)];
  });
}

/** All that a behaviour has, which may be an object of a class, called as if it were called itself. */
function bound(behaviour: object): Handlers {
  const handlers: Handlers = {};
  for (
    let at: object | null = behaviour;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (name === "constructor" || Object.hasOwn(handlers, name)) continue;
      handlers[name] = boundOf(behaviour, (behaviour as Handlers)[name]);
    }
  }
  return handlers;
}

function boundOf(behaviour: object, value: unknown): unknown {
  if (typeof value === "function") return value.bind(behaviour);
  if (!isObject(value)) return value;
  // By subject.
  const bySubject = Object.entries(value as object).map(([subject, handler]) => [
    subject,
    typeof handler === "function" ? handler.bind(behaviour) : handler,
  ]);
  return Object.fromEntries(bySubject);
}
