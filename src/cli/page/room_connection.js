import { hotHeadBytes, readHotHead, writeHotHead } from "../../frame/codec.js";

/** `Kind.Message` of schemas/frame.fbs. */
const messageKind = 4;
const firstDelayMs = 250;
const longestDelayMs = 10_000;
/** The room sends a roster every few seconds; when so long nothing came, the connection is dead. */
const silenceMs = 15_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * A connection to the room that comes back by itself.
 *
 * Events: `open`, `message` (its `detail` is what the room said), `wait` (its `detail` is the delay in
 * milliseconds before the next attempt).
 */
export class RoomConnection extends EventTarget {
  #url;
  #socket;
  #attempts = 0;
  #silence;
  #retry;
  #header = { kind: messageKind, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };

  constructor(url) {
    super();
    this.#url = url;
  }

  connect() {
    clearTimeout(this.#retry);
    const socket = new WebSocket(this.#url, ["millrace.v1"]);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#hear();
      this.dispatchEvent(new Event("open"));
    };
    socket.onmessage = ({ data }) => this.#receive(new Uint8Array(data));
    socket.onclose = () => this.#lose(socket);
    this.#socket = socket;
  }

  /** @returns {boolean} false where there is no connection now; the message is gone then. */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    const payload = encoder.encode(JSON.stringify(message));
    const frame = new Uint8Array(hotHeadBytes + payload.length);
    writeHotHead(new DataView(frame.buffer), 0, this.#header, payload.length);
    frame.set(payload, hotHeadBytes);
    this.#socket.send(frame);
    return true;
  }

  #receive(frame) {
    this.#hear();
    const header = { ...this.#header };
    const payloadBytes = readHotHead(frame, header);
    if (payloadBytes < 0 || header.kind !== messageKind) return;
    const payload = frame.subarray(hotHeadBytes, hotHeadBytes + payloadBytes);
    const message = JSON.parse(decoder.decode(payload));
    if (message.type === "ping") this.send({ type: "pong", id: message.id });
    // The room's patience is measured from a welcome on: a server that only accepts is not there yet.
    if (message.type === "welcome") this.#attempts = 0;
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  #hear() {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#silence = setTimeout(() => {
      socket.close();
      this.#lose(socket);
    }, silenceMs);
  }

  /** Tries again: soon at first, then ever later, and not all pages in the same instant. */
  #lose(socket) {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    clearTimeout(this.#silence);
    const longest = Math.min(longestDelayMs, firstDelayMs * 2 ** this.#attempts);
    const delayMs = longest * (0.5 + Math.random() / 2);
    this.#attempts += 1;
    this.#retry = setTimeout(() => this.connect(), delayMs);
    this.dispatchEvent(new CustomEvent("wait", { detail: delayMs }));
  }
}
