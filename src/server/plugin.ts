import { checkHandlersOf, checkOnlyHandlers } from "../options/handlers.js";
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
export const hookNames = [
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
] as const satisfies readonly (keyof ServerBehaviour)[];

/** What a plugin does at the events of sessions. */
export type PluginHooks<Data> = Pick<ServerBehaviour<Data>, (typeof hookNames)[number]>;

/** @throws InvalidArgumentError where a handler is no function, or hooks have a name that is none */
export function checkPlugins(plugins: readonly Plugin[]): void {
  for (const plugin of plugins) {
    const what = `plugin ${show(plugin.name)}`;
    checkHandlersOf(what, plugin, ["setup", "dispose"]);
    if (plugin.hooks !== undefined) checkOnlyHandlers(`${what}.hooks`, plugin.hooks, hookNames);
  }
}
