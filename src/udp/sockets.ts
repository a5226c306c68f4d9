import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { AddressUnavailableError } from "../errors.js";
import type { SocketAddress } from "../transport/address.js";
import { listenError } from "../transport/bind.js";
import { socketAddress } from "../transport/socket_address.js";
import { isMulticast, type Link, linksTo } from "./links.js";

type OnDatagram = (datagram: Uint8Array, from: RemoteInfo) => void;

/** Where one party's datagrams go, and what comes back. */
export interface Medium {
  readonly group: string;
  readonly interface?: string | undefined;
}

/**
 * A socket that hears what is sent to the group and to its own address. Others of this machine may share the port: a
 * group's datagrams go to each of them.
 * @throws AddressInUseError, AddressForbiddenError, AddressUnavailableError
 */
export async function openReceiver(
  medium: Medium,
  port: number,
  address: string | undefined,
  onDatagram: OnDatagram,
): Promise<Socket> {
  const { group } = medium;
  const links = linksTo(group, medium.interface);
  const socket = await bound(group, port, address, true, onDatagram);
  if (!isMulticast(group)) return socket;
  const failures = links.map((link) => attempt(() => socket.addMembership(group, link.address)));
  const [cause] = failures;
  if (failures.includes(undefined)) return socket; // one interface is enough: others may know no groups
  socket.close();
  throw new AddressUnavailableError(`no network interface takes part in ${group}`, { cause });
}

/**
 * Sockets that reach the group, by one interface each, and hear what is answered.
 * @throws AddressForbiddenError, AddressUnavailableError
 */
export async function openSenders(medium: Medium, onDatagram: OnDatagram): Promise<readonly Sender[]> {
  const links = linksTo(medium.group, medium.interface);
  if (links.length === 0) return [await openSender(medium.group, undefined, onDatagram)];
  const results = await Promise.allSettled(links.map((link) => openSender(medium.group, link, onDatagram)));
  const senders = results.filter((result) => result.status === "fulfilled").map(({ value }) => value);
  if (senders.length > 0) return senders;
  throw (results[0] as PromiseRejectedResult).reason;
}

/** By a link's own address an IPv4 broadcast leaves through it; IPv6 has none, and is told by the zone. */
async function openSender(group: string, link: Link | undefined, onDatagram: OnDatagram): Promise<Sender> {
  const source = link === undefined || isIPv6(group) ? undefined : link.address;
  const socket = await bound(group, 0, source, false, onDatagram);
  if (link !== undefined && isMulticast(group)) {
    const cause = attempt(() => socket.setMulticastInterface(link.address));
    if (cause !== undefined) {
      socket.close();
      throw new AddressUnavailableError(`${link.name} reaches no groups`, { cause });
    }
  }
  const zone = link !== undefined && isIPv6(group) ? `%${link.name}` : "";
  return new Sender(socket, `${group}${zone}`);
}

/** Sends to one group by one interface. */
export class Sender {
  readonly socket: Socket;
  readonly #target: string;

  constructor(socket: Socket, target: string) {
    this.socket = socket;
    this.#target = target;
  }

  /** @param sent is told whether the operating system took it. */
  send(datagram: Uint8Array, port: number, sent: (error: Error | null) => void): void {
    this.socket.send(datagram, port, this.#target, sent);
  }
}

function bound(
  group: string,
  port: number,
  address: string | undefined,
  shared: boolean,
  onDatagram: OnDatagram,
): Promise<Socket> {
  const type = isIPv6(address ?? group) ? "udp6" : "udp4";
  const where = address ?? (type === "udp6" ? "::" : "0.0.0.0");
  const socket = createSocket({ type, reuseAddr: shared, ipv6Only: type === "udp6" });
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) => {
      socket.close();
      reject(listenError(cause, "UDP", where, port));
    };
    socket.once("error", onError);
    socket.bind({ port, address: where, exclusive: true }, () => {
      socket.off("error", onError);
      // What is wrong later concerns a datagram, not the socket.
      socket.on("error", (error) => process.emitWarning(error));
      socket.on("message", onDatagram);
      if (type === "udp4") socket.setBroadcast(true);
      resolve(socket);
    });
  });
}

/** @returns what it threw. */
function attempt(call: () => void): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Resolves when its port is free. */
export function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}

/** Who sent it; a link-local address with its zone, without which it leads nowhere. */
export function senderOf({ address, port }: RemoteInfo): SocketAddress {
  const [plain, zone] = address.split("%");
  const from = socketAddress(plain!, port);
  return zone === undefined ? from : { ...from, address: `${from.address}%${zone}` };
}
