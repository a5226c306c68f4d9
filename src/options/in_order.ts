import { InvalidArgumentError } from "../errors.js";

/** What may need others, by their names. */
export interface Dependent {
  readonly name: string;
  readonly dependencies?: readonly string[] | undefined;
}

/**
 * Plugins, each behind those that it depends on, else in the order given.
 * @throws InvalidArgumentError where two have one name, one depends on what is not there, or they depend on each other.
 */
export function inOrder<Plugin extends Dependent>(plugins: readonly Plugin[]): readonly Plugin[] {
  const byName = new Map(plugins.map((plugin) => [plugin.name, plugin]));
  if (byName.size < plugins.length) {
    const names = plugins.map(({ name }) => name);
    const twice = names.find((name, at) => names.indexOf(name) !== at);
    throw new InvalidArgumentError(`plugins has two of the name "${twice}"`);
  }
  const ordered = new Set<Plugin>();
  const visit = (plugin: Plugin, path: readonly string[]): void => {
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
