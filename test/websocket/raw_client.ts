import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A TCP client that speaks as much of RFC 6455 as a test wants, and breaks as much. */
export class RawClient {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #arrived: () => void = () => {};
  /** It has ended: with an error as well, as where what it sends crosses the server's end. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#arrived();
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new RawClient(socket);
  }

  /** Sends an upgrade request and returns the head of the answer. */
  async upgrade(path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const all = {
      Host: "localhost",
      Upgrade: "websocket",
      Connection: "Upgrade",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version": "13",
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
    return this.readUntil("\r\n\r\n");
  }

  /** Everything up to and including `end`. */
  async readUntil(end: string): Promise<string> {
    for (;;) {
      const at = this.#received.indexOf(end);
      if (at >= 0) return this.#take(at + end.length).toString();
      await this.#more();
    }
  }

  async read(bytes: number): Promise<Buffer> {
    while (this.#received.length < bytes) await this.#more();
    return this.#take(bytes);
  }

  /** One unfragmented frame with a zero mask (RFC 6455 section 5.2), of at most 125 bytes. */
  sendFrame(opcode: number, payload: Uint8Array = new Uint8Array()): void {
    this.socket.write(Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0, ...payload]));
  }

  /** The next frame, of at most 125 bytes. */
  async readFrame(): Promise<{ opcode: number; payload: Buffer }> {
    const [first, second] = await this.read(2);
    return { opcode: first! & 0x0f, payload: await this.read(second! & 0x7f) };
  }

  #take(bytes: number): Buffer {
    const taken = this.#received.subarray(0, bytes);
    this.#received = this.#received.subarray(bytes);
    return taken;
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#arrived = resolve;
      void this.closed.then(() => reject(new Error("the server closed the TCP connection")));
    });
  }
}
