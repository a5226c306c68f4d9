import type { Publisher, TransportConnection } from "../transport/connection.js";
import type { Codec } from "./message_codec.js";
import { publishUnit } from "./unit.js";

/** Connections that one frame goes to: those that can share its bytes, together. */
export class FanOut {
  readonly #frames = new Map<Publisher, TransportConnection[]>();
  readonly #units = new Map<Codec, Map<Publisher | undefined, TransportConnection[]>>();

  /** @param codec what the connection agreed on, where it is not millrace's own frames. */
  add(connection: TransportConnection, codec: Codec | undefined): void {
    if (codec === undefined) addTo(this.#frames, connection.publisher ?? loop, connection);
    else addTo(publishersOf(this.#units, codec), connection.publisher, connection);
  }

  /**
   * @param head with `payload`, one of millrace's frames.
   * @param unitOf the same as another codec has it.
   * @returns how many connections accepted it.
   */
  send(head: Uint8Array, payload: Uint8Array, unitOf: (codec: Codec) => Uint8Array): number {
    let accepted = 0;
    for (const [publisher, group] of this.#frames) accepted += publisher.publish(group, head, payload);
    for (const [codec, publishers] of this.#units) {
      const unit = unitOf(codec);
      for (const [publisher, group] of publishers) accepted += publishUnit(publisher, group, codec, unit);
    }
    return accepted;
  }
}

function addTo<Key>(groups: Map<Key, TransportConnection[]>, key: Key, recipient: TransportConnection): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [recipient]);
  else group.push(recipient);
}

function publishersOf<Inner>(groups: Map<Codec, Map<Inner, TransportConnection[]>>, codec: Codec) {
  const publishers = groups.get(codec) ?? new Map<Inner, TransportConnection[]>();
  groups.set(codec, publishers);
  return publishers;
}

/** For transports that can do no better. */
const loop: Publisher = {
  publish(connections, head, payload) {
    const more = payload.length === 0 ? undefined : payload; // a whole frame need not be put together for each
    let accepted = 0;
    for (const connection of connections) {
      if (connection.state === "open" && connection.send(head, more) !== "dropped") accepted += 1;
    }
    return accepted;
  },
};
