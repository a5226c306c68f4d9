import { InvalidArgumentError } from "../errors.js";
import { checkHandlersOf } from "../options/handlers.js";
import { show } from "../options/read.js";
import type { ServerBehaviour } from "./behaviour.js";
import type { Server } from "./server.js";

/** Extends a server: it is set up before the first connection, and disposed of after the last. */
// biome-ignore lint/suspicious/noExplicitAny: one that does not look at the data fits sessions of any
export interface Plugin<Data = any> {
  readonly name: string;
  /** Plugins that are set up before this one, and disposed of after it. */
  readonly dependencies?: readonly string[];
  /** What the plugin does at the events of sessions, before the application's own handlers. */
  readonly hooks?: PluginHooks<Data>;
  /** What it throws or rejects with keeps the server from starting. */
  setup?(server: Server<Data>): unknown;
  /** Called when the last session has ended. */
  dispose?(): unknown;
}

/** The handlers that plugins may have beside the application's. */
export type PluginHooks<Data> = Pick<
  ServerBehaviour<Data>,
  | "open"
  | "drain"
  | "detached"
  | "resumed"
  | "sent"
  | "delivered"
  | "heartbeatTimeout"
  | "close"
  | "error"
  | "warning"
>;

const hookNames = [
  "open",
  "drain",
  "detached",
  "resumed",
  "sent",
  "delivered",
  "heartbeatTimeout",
  "close",
  "error",
  "warning",
] satisfies (keyof PluginHooks<unknown>)[];

/** @throws InvalidArgumentError where a handler is no function; one whose name nearly is a handler's is warned of */
export function checkPlugins(plugins: readonly Plugin[]): void {
  for (const plugin of plugins) {
    const what = `plugin ${show(plugin.name)}`;
    checkHandlersOf(what, plugin, ["setup", "dispose"]);
    if (plugin.hooks !== undefined) checkHandlersOf(`${what}.hooks`, plugin.hooks, hookNames);
  }
}

/**
 * Plugins, each behind those that it depends on, else in the order given.
 * @throws InvalidArgumentError where two have one name, one depends on what is not there, or they depend on each other.
 */
export function inOrder<Data>(plugins: readonly Plugin<Data>[]): readonly Plugin<Data>[] {
  const byName = new Map(plugins.map((plugin) => [plugin.name, plugin]));
  if (byName.size < plugins.length) {
    const names = plugins.map(({ name }) => name);
    const twice = names.find((name, at) => names.indexOf(name) !== at);
    throw new InvalidArgumentError(`plugins has two of the name "${twice}"`);
  }
  const ordered = new Set<Plugin<Data>>();
  const visit = (plugin: Plugin<Data>, path: readonly string[]): void => {
    if (ordered.has(plugin)) return;
    if (path.includes(plugin.name)) {
      throw new InvalidArgumentError(`plugins depend on each other: ${[...path, plugin.name].join(" → ")}`);
    }
    for (const name of plugin.dependencies ?? []) {
      const dependency = byName.get(name);
      if (dependency === undefined) {
        throw new InvalidArgumentError(`plugin "${plugin.name}" needs "${name}", which is not there`);
      }
      visit(dependency, [...path, plugin.name]);
    }
    ordered.add(plugin);
  };
  for (const plugin of plugins) visit(plugin, []);
  return [...ordered];
}
