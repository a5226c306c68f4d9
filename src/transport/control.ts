/**
 * What a connection says for itself, between messages, where its transport has no words of its own for it: on a bare
 * stream of bytes it goes among the frames.
 */
export interface Control {
  readonly kind: "ping" | "pong" | "close";
  /** Of a close: see {@link CloseCode}; otherwise 0. */
  readonly code: number;
  /** Of a close: its reason. */
  readonly text: string;
}

/**
 * What a transport that carries a bare stream of bytes is told of the frames in it. Transports that carry messages have
 * no use for it.
 */
export interface StreamFraming {
  /** Bytes of a frame that say how long it is. */
  readonly prefixBytes: number;
  /** How long a frame is, by its first {@link prefixBytes} bytes: these are counted, too. */
  frameBytes(bytes: Uint8Array, offset: number): number;
  /** Protocols that write lines of text in place of frames, the most wanted first. */
  readonly lineProtocols: readonly string[];
  /** A control as that protocol writes it. */
  encodeControl(protocol: string, control: Control): Uint8Array;
}
