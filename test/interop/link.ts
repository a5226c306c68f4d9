import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import * as quic from "millrace/quic";
import { Authority, type Identity } from "millrace/testing";
import { Ours } from "./ours.js";
import { Peer } from "./peer.js";

/** Another QUIC stack: a program with the subcommands `server` and `client`. */
export interface Stack {
  readonly name: string;
  readonly program: readonly string[];
  /** How many bytes are echoed, in one test each. */
  readonly echoBytes: readonly number[];
  /** How many streams are open at once in a test. */
  readonly streams: number;
  /** Whether its server can ask for a client's certificate. */
  readonly asksForCertificates: boolean;
}

export const roles = ["client", "server"] as const;
/** What we are; the peer is the other one. */
export type Role = (typeof roles)[number];

export const alpn = "millrace-interop";

/** A connection between us and the peer. */
export interface Link {
  readonly ours: Ours;
  readonly connection: quic.QuicConnection;
  readonly peer: Peer;
  /** Asks the peer for something on this connection. */
  ask(op: string, parameters?: Record<string, unknown>): Promise<Record<string, unknown>>;
}

/** What a test wants to be different. */
export interface LinkOptions {
  readonly ours?: Partial<quic.QuicOptions>;
  /** Further arguments of the peer's program. */
  readonly peer?: readonly string[];
}

/** Makes links to one stack. Both sides trust the same authority. */
export class Linker {
  readonly stack: Stack;
  readonly ca: string;
  readonly identity: Identity;
  /** A client's, with the common name `guest`. */
  readonly guest: Identity;
  readonly #folder: string;

  /** @param folder where the peer finds its certificates. */
  static async make(stack: Stack, folder: string): Promise<Linker> {
    const authority = await Authority.make();
    const identities = await Promise.all([authority.issue(), authority.issueClient({ name: "guest" })]);
    return new Linker(stack, folder, authority.certificate, ...identities);
  }

  private constructor(stack: Stack, folder: string, ca: string, identity: Identity, guest: Identity) {
    this.stack = stack;
    this.#folder = folder;
    this.ca = ca;
    this.identity = identity;
    this.guest = guest;
    writeFileSync(this.file("ca"), ca);
    for (const [name, { certificate, privateKey }] of Object.entries({ server: identity, guest })) {
      writeFileSync(this.file(`${name}-cert`), certificate);
      writeFileSync(this.file(`${name}-key`), privateKey);
    }
  }

  link(t: TestContext, role: Role, options: LinkOptions = {}): Promise<Link> {
    return role === "client" ? this.#linkAsClient(t, options) : this.#linkAsServer(t, options);
  }

  async #linkAsClient(t: TestContext, options: LinkOptions): Promise<Link> {
    const peer = await this.peerServer(t, options.peer);
    const ours = new Ours();
    const connection = await this.connect(t, peer.port, ours, options.ours);
    const { connection: number } = await peer.event("accepted");
    return {
      ours,
      connection,
      peer,
      ask: (op, parameters) => peer.do(op, { connection: number, ...parameters }),
    };
  }

  async #linkAsServer(t: TestContext, options: LinkOptions): Promise<Link> {
    const ours = new Ours();
    const listener = await this.listen(t, ours, options.ours);
    const peer = await this.peerClient(t, listener.address.port, options.peer);
    const { connection: number } = await peer.do("connect");
    const connection = await ours.opened.take();
    return {
      ours,
      connection,
      peer,
      ask: (op, parameters) => peer.do(op, { connection: number, ...parameters }),
    };
  }

  peerServer(t: TestContext, args: readonly string[] = ["--alpn", alpn]): Promise<Peer> {
    const files = ["--cert", this.file("server-cert"), "--key", this.file("server-key")];
    return Peer.start(t, this.stack.program, ["server", ...files, ...args]);
  }

  peerClient(t: TestContext, port: number, args: readonly string[] = ["--alpn", alpn]): Promise<Peer> {
    const server = ["--server", `127.0.0.1:${port}`, "--ca", this.file("ca")];
    return Peer.start(t, this.stack.program, ["client", ...server, ...args]);
  }

  async listen(
    t: TestContext,
    ours: Ours,
    options: Partial<quic.QuicListenOptions> = {},
  ): Promise<quic.QuicListener> {
    const fixed = { host: "127.0.0.1", port: 0, alpn: [alpn], tls: this.identity };
    const listener = await quic.listen({ ...fixed, ...options }, ours.behaviour);
    t.after(() => listener.close());
    return listener;
  }

  async connect(
    t: TestContext,
    port: number,
    ours: Ours,
    options: Partial<quic.QuicConnectOptions> = {},
  ): Promise<quic.QuicConnection> {
    const fixed = { alpn: [alpn], tls: { ca: this.ca } };
    const connection = await quic.connect(
      `quic://127.0.0.1:${port}`,
      { ...fixed, ...options },
      ours.behaviour,
    );
    t.after(() => connection.close({ graceful: false }));
    return connection;
  }

  /** The path of one of its PEM files: `ca`, or `server` or `guest` with `-cert` or `-key`. */
  file(name: string): string {
    return join(this.#folder, `${name}.pem`);
  }
}
