import type { X509Certificate } from "node:crypto";
import {
  type CloseInfo,
  ConnectionClosedError,
  type ConnectionState,
  nextConnectionId,
  type SendResult,
  type TransportBehaviour,
  type TransportConnection,
} from "millrace";
import type { Relay } from "#internal/server/threads/relay.js";
import type { RelayedConnection } from "#internal/server/threads/relayed_connection.js";
import { type RelayPeers, Relays } from "#internal/server/threads/relays.js";
import type { InboxResult } from "#internal/session/sessions.js";
import type { CloseOptions } from "#internal/transport/close.js";
import type { Control } from "#internal/transport/control.js";
import { endsOf, type Post, Ways } from "./ways.js";

/** Environments that relay to each other. */
export class Hub {
  /** A chance to damage what is posted, or to lose it: undefined does. */
  damage: (bytes: Uint8Array) => Uint8Array | undefined = (bytes) => bytes;
  posts = 0;
  readonly #ways: Ways;

  constructor(inboxBytes = 65_536) {
    this.#ways = new Ways(inboxBytes);
  }

  get inboxBytes(): number {
    return this.#ways.inboxBytes;
  }

  join(environment: number): RelayPeers {
    return {
      ...this.#ways.join(environment),
      post: (receiver, kind, bytes) => this.post(environment, receiver, kind, bytes),
    };
  }

  /** It ends; the others are told. */
  leave(environment: number): void {
    this.#ways.members.delete(environment);
    this.#ways.clear((from, to) => from === environment || to === environment);
    this.#ways.tellLeft(environment);
  }

  post(from: number, to: number, kind: number, bytes: Uint8Array): InboxResult {
    return this.#ways.post(from, to, kind, bytes, (own) => {
      this.posts += 1;
      return this.damage(own);
    });
  }

  /** Delivers what lies on one way now. @returns false where nothing did. */
  deliver(from: number, to: number, most = Number.POSITIVE_INFINITY): boolean {
    const way = `${from}>${to}`;
    const posts: Post[] = [];
    for (let post = this.#next(way, posts, most); post !== undefined; post = this.#next(way, posts, most)) {
      posts.push(post);
    }
    for (const { kind, bytes } of posts) {
      this.#ways.members.get(to)?.handlers.get(kind)?.(bytes, from);
      bytes.fill(0xdd); // valid during the call only
    }
    this.#ways.drain(way);
    return posts.length > 0;
  }

  /** Delivers until there is nothing left. */
  settle(): void {
    for (let { busy } = this.#ways; busy.length > 0; { busy } = this.#ways) {
      for (const way of busy) this.deliver(...endsOf(way));
    }
  }

  #next(way: string, taken: readonly Post[], most: number): Post | undefined {
    return taken.length < most ? this.#ways.take(way) : undefined;
  }
}

/** A client's connection, whose network the test is. */
export class EdgeTransport implements TransportConnection {
  readonly id = nextConnectionId();
  readonly transport: string = "fake";
  readonly remoteAddress = { address: "192.0.2.7", family: "ipv4", port: 4711 } as const;
  readonly localAddress = { address: "2001:db8::1", family: "ipv6", port: 443 } as const;
  readonly protocol: string = "millrace/1";
  readonly origin: string | undefined = undefined;
  readonly path: string | undefined = undefined;
  readonly peerCertificate: X509Certificate | undefined = undefined;
  readonly framesVerified: boolean = true;
  readonly carriesFrames: boolean = true;
  roundTripMs: number | undefined = undefined;
  maxDatagramBytes: number | undefined = undefined;
  state: ConnectionState = "open";
  bytesQueued = 0;
  owner: unknown = undefined;
  isPaused = false;
  isPausable = true;
  relay: Relay | undefined;
  readonly mark: number;
  /** What was sent, and on which lane. */
  readonly sent: { readonly bytes: Buffer; readonly lane: number; readonly as: string }[] = [];
  readonly controls: Control[] = [];
  readonly closes: CloseOptions[] = [];

  constructor(mark = 65_536) {
    this.mark = mark;
  }

  send(head: Uint8Array, payload = new Uint8Array(0), lane = 0): SendResult {
    return this.take(Buffer.concat([head, payload]), lane, "frame");
  }

  protected take(bytes: Buffer, lane: number, as: string): SendResult {
    if (this.state !== "open") throw new ConnectionClosedError("closed");
    if (this.bytesQueued >= this.mark) return "dropped";
    this.sent.push({ bytes, lane, as });
    this.bytesQueued += bytes.length;
    return this.bytesQueued >= this.mark ? "blocked" : "sent";
  }

  /** The network takes all that is queued. */
  flush(): void {
    const before = this.bytesQueued;
    this.bytesQueued = 0;
    if (before >= this.mark) this.relay?.drain();
  }

  pause(): boolean {
    this.isPaused = this.isPausable;
    return this.isPausable;
  }

  resume(): void {
    this.isPaused = false;
  }

  close(options: CloseOptions = {}): void {
    this.closes.push(options);
    if (this.state === "open") this.state = "closing";
  }

  /** Its end is told. */
  end(info: CloseInfo): void {
    this.state = "closed";
    this.relay?.lose(info);
  }
}

/** What an owner's server would be: it remembers. */
export class OwnerBehaviour implements TransportBehaviour {
  readonly connections: RelayedConnection[] = [];
  readonly frames: { readonly connection: RelayedConnection; readonly bytes: Buffer }[] = [];
  readonly ends: { readonly connection: RelayedConnection; readonly info: CloseInfo }[] = [];
  drains = 0;

  open(connection: RelayedConnection): void {
    this.connections.push(connection);
  }

  frame(connection: RelayedConnection, frame: Uint8Array): void {
    this.frames.push({ connection, bytes: Buffer.from(frame) });
  }

  drain(): void {
    this.drains += 1;
  }

  close(connection: RelayedConnection, info: CloseInfo): void {
    this.ends.push({ connection, info });
  }
}

export const relayKind = 32;
export const edgeNumber = 2;
export const ownerNumber = 1;

export interface RelayPair {
  readonly hub: Hub;
  readonly edge: Relays;
  readonly owner: Relays;
  readonly behaviour: OwnerBehaviour;
  /** How often the owner has answered. */
  readonly accepted: { count: number };
  /** Relays a connection, and delivers that. */
  begin(transport: EdgeTransport, hello?: string): RelayedConnection;
}

/** Two environments, one at the edge, with limits that a test reaches soon. */
export function relayPair({
  inboxBytes,
  highWaterMarkBytes = 65_536,
  windowBytes = 65_536,
  maxUnitBytes = 1_048_576,
  edgeMarkBytes = highWaterMarkBytes,
}: {
  readonly inboxBytes?: number;
  readonly highWaterMarkBytes?: number;
  readonly windowBytes?: number;
  readonly maxUnitBytes?: number;
  readonly edgeMarkBytes?: number;
} = {}): RelayPair {
  const hub = new Hub(inboxBytes);
  const limits = { highWaterMarkBytes, windowBytes, maxUnitBytes };
  const behaviour = new OwnerBehaviour();
  const owner = new Relays(hub.join(ownerNumber), relayKind, behaviour, limits);
  const edge = new Relays(hub.join(edgeNumber), relayKind, new OwnerBehaviour(), {
    ...limits,
    highWaterMarkBytes: edgeMarkBytes,
  });
  const accepted = { count: 0 };
  return {
    hub,
    edge,
    owner,
    behaviour,
    accepted,
    begin(transport, hello = "hello") {
      const applicant = {
        end: () => {
          accepted.count += 1;
        },
      };
      transport.relay = edge.begin(ownerNumber, transport, Buffer.from(hello), applicant);
      hub.settle();
      return behaviour.connections.at(-1)!;
    },
  };
}
