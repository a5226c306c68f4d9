import { X509Certificate } from "node:crypto";
import { contentsOf } from "../../delivery/contents.js";
import { entry, MetaReader, utf8 } from "../../delivery/meta.js";
import { FrameMalformedError } from "../../errors.js";
import { decodeFrame, encodeFrame, FrameView, Kind } from "../../frame/frame.js";
import { carriesFrames } from "../../frame/unit.js";
import { formatAddress, type SocketAddress } from "../../transport/address.js";
import type { TransportConnection } from "../../transport/connection.js";
import { parseAddress } from "../../transport/socket_address.js";

/** What a session's owner is told of a client's connection in another thread. */
export interface RelayOpening {
  readonly transport: string;
  readonly remoteAddress: SocketAddress;
  readonly localAddress: SocketAddress;
  readonly protocol: string;
  readonly origin: string | undefined;
  readonly path: string | undefined;
  /** The peer's certificate in DER. Those that signed it stay with the connection. */
  readonly certificate: Uint8Array | undefined;
  readonly carriesFrames: boolean;
  /** Its transport takes controls, text or datagrams. */
  readonly takes: { readonly control: boolean; readonly text: boolean; readonly datagrams: boolean };
}

/** As much as an opening may have: certificates and paths are the longest of it. */
export const maxOpeningBytes = 256 * 1024;

const maxTextBytes = 64 * 1024;
const Flag = { frames: 1, control: 2, text: 4, datagrams: 8 } as const;
const view = new FrameView();

export function encodeOpening(transport: TransportConnection): Uint8Array {
  const text = (key: string, value: string | undefined) =>
    entry(key, value === undefined ? undefined : utf8(value, maxTextBytes, key));
  const frame = contentsOf(Kind.Hello, {
    type: flagsOf(transport),
    subject: transport.transport,
    meta: [
      ...text("remote", formatAddress(transport.remoteAddress)),
      ...text("local", formatAddress(transport.localAddress)),
      ...text("protocol", transport.protocol),
      ...text("origin", transport.origin),
      ...text("path", transport.path),
      ...entry("certificate", transport.peerCertificate?.raw),
    ],
  });
  return encodeFrame(frame, frame.payload, frame);
}

function flagsOf(transport: TransportConnection): number {
  return (
    (carriesFrames(transport) ? Flag.frames : 0) |
    (transport.control === undefined ? 0 : Flag.control) |
    (transport.sendText === undefined ? 0 : Flag.text) |
    (transport.sendDatagram === undefined ? 0 : Flag.datagrams)
  );
}

/** @throws FrameMalformedError, ProtocolViolationError where another thread has damaged it */
export function readOpening(bytes: Uint8Array): RelayOpening {
  const frame = decodeFrame(bytes, false, view);
  const meta = new MetaReader("relay's opening", frame);
  const { type: flags, subject: transport } = frame;
  const remote = meta.text("remote", maxTextBytes);
  const local = meta.text("local", maxTextBytes);
  if (transport === undefined || remote === undefined || local === undefined) {
    throw new FrameMalformedError("a relay's opening says not where the client is");
  }
  return {
    transport,
    remoteAddress: parseAddress(remote),
    localAddress: parseAddress(local),
    protocol: meta.text("protocol", maxTextBytes) ?? "",
    origin: meta.text("origin", maxTextBytes),
    path: meta.text("path", maxTextBytes),
    certificate: meta.bytes("certificate", 1, maxOpeningBytes),
    carriesFrames: (flags & Flag.frames) !== 0,
    takes: {
      control: (flags & Flag.control) !== 0,
      text: (flags & Flag.text) !== 0,
      datagrams: (flags & Flag.datagrams) !== 0,
    },
  };
}

/** Undefined where there is none, or another thread has damaged it. */
export function certificateOf({ certificate }: RelayOpening): X509Certificate | undefined {
  if (certificate === undefined) return undefined;
  try {
    return new X509Certificate(certificate);
  } catch {
    return undefined;
  }
}
