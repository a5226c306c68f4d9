import type { Socket } from "node:net";

/** Who hears of a socket. */
export interface SocketOwner {
  /** It has read more. */
  onData(chunk: Buffer): void;
  /** The peer sends no more. */
  onEnd(): void;
  onError(error: NodeJS.ErrnoException): void;
  /** It is closed: the last call. */
  onClose(): void;
}

/**
 * A socket knows its owner, so that no connection needs closures of its own for the socket's events, and who takes one
 * over needs no listeners of its own.
 */
const ownerOf = Symbol("owner");
type OwnedSocket = Socket & { [ownerOf]: SocketOwner | undefined };

/** Tells the owner of the socket's events from now on, in place of any that it had. */
export function own(socket: Socket, owner: SocketOwner): void {
  const isOwned = (socket as OwnedSocket)[ownerOf] !== undefined;
  (socket as OwnedSocket)[ownerOf] = owner;
  if (isOwned) return;
  socket.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
}

function onData(this: Socket, chunk: Buffer): void {
  (this as OwnedSocket)[ownerOf]!.onData(chunk);
}

function onEnd(this: Socket): void {
  (this as OwnedSocket)[ownerOf]!.onEnd();
}

function onError(this: Socket, error: Error): void {
  (this as OwnedSocket)[ownerOf]!.onError(error);
}

function onClose(this: Socket): void {
  (this as OwnedSocket)[ownerOf]!.onClose();
}
