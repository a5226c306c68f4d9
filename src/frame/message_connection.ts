import type { X509Certificate } from "node:crypto";
import {
  FrameTooLargeError,
  InvalidArgumentError,
  type MillraceError,
  ResourceExhaustedError,
} from "../errors.js";
import type { SocketAddress } from "../transport/address.js";
import { CloseCode, type CloseInfo, type CloseOptions, readCloseOptions } from "../transport/close.js";
import type {
  ConnectionId,
  ConnectionState,
  SendResult,
  TransportConnection,
} from "../transport/connection.js";
import type { Behaviour, Connection } from "./connection.js";
import { reportError, reportRejection } from "./handler_call.js";
import { type Codec, frameCodec } from "./message_codec.js";
import { MessageQueue } from "./message_queue.js";
import { messageHead, messageUnit, sendUnit } from "./unit.js";

/** What all connections of one listener or connector share. */
export interface MessageContext<Data> {
  readonly behaviour: Behaviour<Data>;
  /** What a connection agreed on, where it is not millrace's own frames. */
  codecOf(transport: TransportConnection): Codec | undefined;
  readonly maxMessageBytes: number;
  readonly highWaterMarkBytes: number;
  /** The message handler is an async function: it goes on after the call, so its bytes are its own. */
  readonly handlerIsAsync: boolean;
}

/** Where an unread queue ends a connection that cannot be held back, in high-water marks. */
const exhaustedMarks = 4;

/** A {@link Connection} on a transport's. There may be a hundred thousand, so fields are few and most are lazy. */
export class MessageConnection<Data> implements Connection<Data> {
  data: Data = undefined as Data;
  readonly #transport: TransportConnection;
  readonly #context: MessageContext<Data>;
  /** Why this side ended the connection, where the peer was at fault. */
  #fault: MillraceError | undefined = undefined;
  /** True from the moment this side began to close: what arrives then is dropped. */
  #closing = false;
  #end: CloseInfo | undefined = undefined;
  #closed: PromiseWithResolver<CloseInfo> | undefined = undefined;
  #queue: MessageQueue | undefined = undefined;

  constructor(transport: TransportConnection, context: MessageContext<Data>) {
    this.#transport = transport;
    this.#context = context;
  }

  get id(): ConnectionId {
    return this.#transport.id;
  }

  get transport(): string {
    return this.#transport.transport;
  }

  get protocol(): string {
    return this.#transport.protocol;
  }

  get codec(): string {
    return (this.otherCodec ?? frameCodec).name;
  }

  /** What turns messages into bytes, where it is not millrace's own way. */
  get otherCodec(): Codec | undefined {
    return this.#context.codecOf(this.#transport);
  }

  get state(): ConnectionState {
    return this.#transport.state;
  }

  get remoteAddress(): SocketAddress {
    return this.#transport.remoteAddress;
  }

  get localAddress(): SocketAddress {
    return this.#transport.localAddress;
  }

  get origin(): string | undefined {
    return this.#transport.origin;
  }

  get path(): string | undefined {
    return this.#transport.path;
  }

  get peerCertificate(): X509Certificate | undefined {
    return this.#transport.peerCertificate;
  }

  get bytesQueued(): number {
    return this.#transport.bytesQueued;
  }

  get roundTripMs(): number | undefined {
    return this.#transport.roundTripMs;
  }

  get closed(): Promise<CloseInfo> {
    if (this.#closed === undefined) {
      if (this.#end !== undefined) return Promise.resolve(this.#end);
      this.#closed = promiseWithResolver();
    }
    return this.#closed.promise;
  }

  send(message: Uint8Array): SendResult {
    const messageFrameHead = messageHead(message);
    this.#checkSize(message);
    const codec = this.otherCodec;
    if (codec === undefined) return this.#transport.send(messageFrameHead, message);
    return sendUnit(this.#transport, codec, messageUnit(codec, message));
  }

  /** The transport's connection, for a message that goes to many. @throws FrameTooLargeError */
  recipientOf(message: Uint8Array): TransportConnection {
    this.#checkSize(message);
    return this.#transport;
  }

  #checkSize(message: Uint8Array): void {
    const { maxMessageBytes } = this.#context;
    if (message.length > maxMessageBytes) throw tooLarge(message.length, maxMessageBytes);
  }

  pause(): boolean {
    return this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
  }

  close(options: CloseOptions = {}): Promise<CloseInfo> {
    readCloseOptions(options);
    this.#closing = true;
    this.#transport.close(options);
    return this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#context.behaviour.message !== undefined) {
      throw new InvalidArgumentError(
        "the behaviour has a message handler: messages go there, not to iterators",
      );
    }
    this.#queue ??= new MessageQueue();
    const queue = this.#queue;
    if (queue.claimed) throw new InvalidArgumentError("another iterator is reading this connection");
    queue.claimed = true;
    try {
      for (;;) {
        const message = queue.shift();
        if (message !== undefined) {
          this.#letOn(queue);
          yield message;
        } else if (this.#end === undefined) {
          await queue.arrival();
        } else if (this.#end.error !== undefined) {
          throw this.#end.error;
        } else {
          return;
        }
      }
    } finally {
      queue.claimed = false;
    }
  }

  /** A message has come; its bytes are valid during the call only. */
  deliver(message: Uint8Array): void {
    if (this.#closing) return;
    const { behaviour, maxMessageBytes, handlerIsAsync } = this.#context;
    if (message.length > maxMessageBytes) {
      this.refuse(CloseCode.frameTooLarge, tooLarge(message.length, maxMessageBytes));
    } else if (behaviour.message === undefined) {
      this.#enqueue(message.slice());
    } else {
      try {
        const bytes = handlerIsAsync ? message.slice() : message;
        reportRejection(behaviour, this, behaviour.message(this, bytes));
      } catch (cause) {
        reportError(behaviour, this, cause);
      }
    }
  }

  /** Ends the connection for a fault of the peer's, which its `CloseInfo` will name. */
  refuse(code: number, fault: MillraceError): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#fault = fault;
    this.#transport.close({ code, reason: fault.message.slice(0, 100), graceful: false });
  }

  /** The connection has ended. */
  end(info: CloseInfo): CloseInfo {
    this.#closing = true;
    this.#end = this.#fault === undefined ? info : { ...info, error: this.#fault };
    this.#closed?.resolve(this.#end);
    this.#queue?.wake();
    return this.#end;
  }

  #enqueue(message: Uint8Array): void {
    this.#queue ??= new MessageQueue();
    const queue = this.#queue;
    queue.push(message);
    const mark = this.#context.highWaterMarkBytes;
    if (queue.bytes < mark || queue.holdingBack) return;
    queue.holdingBack = this.#transport.pause();
    if (queue.holdingBack || queue.bytes < exhaustedMarks * mark) return;
    const cap = `${exhaustedMarks} × highWaterMarkBytes (${mark})`;
    this.refuse(CloseCode.exhausted, new ResourceExhaustedError(`unread messages are more than ${cap}`));
  }

  #letOn(queue: MessageQueue): void {
    if (!queue.holdingBack || queue.bytes >= this.#context.highWaterMarkBytes / 2) return;
    queue.holdingBack = false;
    this.#transport.resume();
  }
}

interface PromiseWithResolver<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

function promiseWithResolver<T>(): PromiseWithResolver<T> {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

function tooLarge(bytes: number, maxMessageBytes: number): FrameTooLargeError {
  return new FrameTooLargeError(`the message has ${bytes} bytes; maxMessageBytes is ${maxMessageBytes}`);
}
