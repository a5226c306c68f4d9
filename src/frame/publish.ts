import { InvalidArgumentError } from "../errors.js";
import { show } from "../options/read.js";
import type { Publisher, TransportConnection } from "../transport/connection.js";
import type { Connection } from "./connection.js";
import type { Codec } from "./message_codec.js";
import { MessageConnection } from "./message_connection.js";
import { messageHead, messageUnit, publishUnit } from "./unit.js";

/**
 * Sends one message to many connections, of any transports. On QUIC it is copied once, however many they are.
 * Connections that are not open, or whose queue is at its high-water mark, are left out.
 * @param message 0..maxMessageBytes bytes; copied, the caller keeps it.
 * @returns how many accepted it.
 * @throws InvalidArgumentError; FrameTooLargeError, before anything is sent, when it is above the limit of one.
 */
export function publish(connections: Iterable<Connection>, message: Uint8Array): number {
  messageHead(message); // refuses what is no message before anything is asked of the connections
  if (typeof (connections as unknown as Iterable<unknown> | undefined)?.[Symbol.iterator] !== "function") {
    throw new InvalidArgumentError(`connections must be iterable, and not ${show(connections)}`);
  }
  const groups = new Map<Publisher, TransportConnection[]>();
  const others = new Map<Codec, Map<Publisher | undefined, TransportConnection[]>>();
  for (const connection of connections) {
    if (!(connection instanceof MessageConnection)) {
      throw new InvalidArgumentError("connections must be of listen or connect");
    }
    const recipient = connection.recipientOf(message);
    const codec = connection.otherCodec;
    if (codec === undefined) addTo(groups, recipient.publisher ?? loop, recipient);
    else addTo(publishersOf(others, codec), recipient.publisher, recipient);
  }
  let accepted = 0;
  // Made only now: the iterable may have sent messages of its own meanwhile, by the same head.
  const head = messageHead(message);
  for (const [publisher, group] of groups) accepted += publisher.publish(group, head, message);
  for (const [codec, publishers] of others) {
    const unit = messageUnit(codec, message);
    for (const [publisher, group] of publishers) accepted += publishUnit(publisher, group, codec, unit);
  }
  return accepted;
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
    let accepted = 0;
    for (const connection of connections) {
      if (connection.state === "open" && connection.send(head, payload) !== "dropped") accepted += 1;
    }
    return accepted;
  },
};
