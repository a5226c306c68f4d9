import { InvalidArgumentError } from "../errors.js";
import { show } from "../options/read.js";
import type { Connection } from "./connection.js";
import { FanOut } from "./fan_out.js";
import { MessageConnection } from "./message_connection.js";
import { messageHead, messageUnit } from "./unit.js";

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
  const fanOut = new FanOut();
  for (const connection of connections) {
    if (!(connection instanceof MessageConnection)) {
      throw new InvalidArgumentError("connections must be of listen or connect");
    }
    fanOut.add(connection.recipientOf(message), connection.otherCodec);
  }
  // The head is made only now: the iterable may have sent messages of its own meanwhile, by the same one.
  return fanOut.send(messageHead(message), message, (codec) => messageUnit(codec, message));
}
