import { InvalidArgumentError as UsageError } from "commander";

/** Where to listen: an option's value, taken apart. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** A port number, 0 for a free one. @throws commander's InvalidArgumentError */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new UsageError("A port is a number from 0 to 65535.");
  return port;
}

/** `127.0.0.1:4433`, `localhost:0`, `[::1]:4433`. @throws commander's InvalidArgumentError */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/.exec(text);
  if (!match) throw new UsageError("Write it like localhost:4433 or [::1]:4433.");
  return { host: (match[1] ?? match[2])!, port: parsePort(match[3]!) };
}

/** A host as it stands in a URL. */
export function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
