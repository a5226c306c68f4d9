import { formatHost, parseTransportUrl } from "../../transport/address.js";
import type { ConnectedAt } from "../node.js";

/** Where the servers of one node listen, in the order of their `listen`. */
export interface NodeUrlList {
  readonly node: number;
  readonly urls: readonly string[];
}

const VERSION = 0;
const LENGTH = 1;
const headerBytes = 8;
const maxBytes = 256 * 1024;
/** As connections name them, where that is not the scheme. */
const transportNames: Readonly<Record<string, string>> = { ws: "websocket", wss: "websocket", tls: "tcp" };
const wildcards: readonly string[] = ["0.0.0.0", "::"];

/**
 * Where all nodes listen, in memory that the threads of a process share: one writes, when it learns it, and the others
 * look when they have somebody to send on.
 */
export class NodeUrls {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  #seenVersion = 0;
  #nodes: readonly NodeUrlList[] = [];

  constructor(memory = new SharedArrayBuffer(headerBytes + maxBytes)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, 2);
  }

  /** What does not fit is not known. */
  write(nodes: readonly NodeUrlList[]): void {
    const bytes = Buffer.from(JSON.stringify(nodes));
    if (bytes.length > maxBytes) return;
    new Uint8Array(this.memory, headerBytes).set(bytes);
    Atomics.store(this.#words, LENGTH, bytes.length);
    Atomics.add(this.#words, VERSION, 1);
  }

  /** Where a client reaches a node in the same way as it has come to this one; undefined where that is not known. */
  targetOf(own: number, node: number, at: ConnectedAt): string | undefined {
    const nodes = this.#read();
    const index = nodes.find((other) => other.node === own)?.urls.findIndex((url) => isAt(url, at)) ?? -1;
    const target = nodes.find((other) => other.node === node)?.urls[index];
    return target === undefined ? undefined : reachable(target, at);
  }

  #read(): readonly NodeUrlList[] {
    const version = Atomics.load(this.#words, VERSION);
    if (version === this.#seenVersion) return this.#nodes;
    const length = Atomics.load(this.#words, LENGTH);
    const text = Buffer.from(new Uint8Array(this.memory, headerBytes, length).slice()).toString();
    try {
      this.#nodes = JSON.parse(text) as readonly NodeUrlList[];
      this.#seenVersion = version;
    } catch {
      // It is written just now: the last that was known goes on.
    }
    return this.#nodes;
  }
}

function isAt(url: string, { transport, localAddress }: ConnectedAt): boolean {
  const { scheme, port } = parseTransportUrl(url);
  return port === localAddress.port && (transportNames[scheme] ?? scheme) === transport;
}

/** A server that listens on all addresses is where the client has come to, if that is known. */
function reachable(url: string, { localAddress: { address } }: ConnectedAt): string | undefined {
  const { host } = parseTransportUrl(url);
  if (!wildcards.includes(host)) return url;
  if (wildcards.includes(address)) return undefined;
  return url.replace(formatHost(host), formatHost(address));
}
