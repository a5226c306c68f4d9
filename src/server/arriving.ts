import type { X509Certificate } from "node:crypto";
import type { Hello } from "../delivery/hello.js";
import { ConnectionClosedError } from "../errors.js";
import type { SocketAddress } from "../transport/address.js";
import type { TransportConnection } from "../transport/connection.js";
import type { AuthenticateContext, ClientHello } from "./behaviour.js";

const decoder = new TextDecoder();
const noMeta: ReadonlyMap<string, Uint8Array> = new Map();

/** What a client says of itself, as the application has it. Nothing of it can be changed. */
export class ArrivingHello implements ClientHello {
  readonly #hello: Hello;
  #meta: ReadonlyMap<string, Uint8Array> | undefined = undefined;

  constructor(hello: Hello) {
    this.#hello = hello;
    Object.preventExtensions(this);
  }

  get clientId(): string | undefined {
    return this.#hello.clientId;
  }

  // Else who takes the hello for the context would be let in by the name that the client asks for, and not know it.
  set clientId(_) {
    throw new TypeError("a hello is what the client says, and cannot be changed: assign context.clientId");
  }

  get token(): Uint8Array {
    return this.#hello.token;
  }

  get tokenText(): string {
    return decoder.decode(this.#hello.token);
  }

  get meta(): ReadonlyMap<string, Uint8Array> {
    const { meta } = this.#hello;
    if (meta.length === 0) return noMeta;
    this.#meta ??= new Map(meta.map(({ key, value }) => [key, value]));
    return this.#meta;
  }

  get resuming(): boolean {
    return this.#hello.resumption !== undefined;
  }
}

/** Where it came from. Few look at the signal, and one costs more than all the rest: it is made for those. */
export class Arrival implements AuthenticateContext {
  readonly transport: string;
  readonly remoteAddress: SocketAddress;
  readonly origin: string | undefined;
  readonly peerCertificate: X509Certificate | undefined;
  clientId: string | undefined;
  /** Its handshake is complete. */
  #isConfirmed: boolean;
  #waiting: { readonly promise: Promise<void>; settle(error: Error | undefined): void } | undefined =
    undefined;
  #abort: AbortController | undefined = undefined;
  #isOver = false;

  constructor(
    { transport, remoteAddress, origin, peerCertificate, isEarly = false }: TransportConnection,
    { clientId }: Hello,
  ) {
    this.transport = transport;
    this.remoteAddress = remoteAddress;
    this.origin = origin;
    this.peerCertificate = peerCertificate;
    this.clientId = clientId;
    this.#isConfirmed = !isEarly;
  }

  get confirmed(): Promise<void> {
    if (this.#isConfirmed) return Promise.resolve();
    if (this.#isOver) return Promise.reject(gone());
    this.#waiting ??= waiting();
    return this.#waiting.promise;
  }

  /** It was no copy. */
  confirm(): void {
    this.#isConfirmed = true;
    this.#waiting?.settle(undefined);
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#isOver) this.#abort.abort();
    return this.#abort.signal;
  }

  /** The client is gone, or has used up its time. */
  abort(): void {
    this.#isOver = true;
    this.#abort?.abort();
    this.#waiting?.settle(gone());
  }
}

function waiting() {
  let settle!: (error: Error | undefined) => void;
  const promise = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error));
  });
  promise.catch(() => {}); // who has asked need not wait for it any more
  return { promise, settle };
}

function gone(): ConnectionClosedError {
  return new ConnectionClosedError("the client has gone before its handshake was complete");
}
