/**
 * Messages of any size, over sessions of either side: sent in pieces, each of which is taken before others follow it, with
 * progress, and over however many connections. For browsers, too.
 * @module millrace/large
 */
export type { LargeMessage } from "./large_message.js";
export type { LargeSession } from "./port.js";
export { clientReceivesLarge, type ReceiveLargeOptions, serverReceivesLarge } from "./receive_large.js";
export type { LargeBytesOptions } from "./received_bytes.js";
export { type LargeProgress, type SendLargeOptions, sendLarge } from "./send_large.js";
export type { ByteBlob, ByteStream, LargeSource } from "./source.js";
