import type { X509Certificate } from "node:crypto";
import { CertificateRefusedError } from "../../errors.js";
import type { RingReader } from "../../native/ring.js";
import type { SocketAddress } from "../../transport/address.js";
import type { QuicBehaviour } from "../behaviour.js";
import { decodeCertificates } from "./certificate.js";

/** A peer whose handshake is not complete: what `authenticate` judges. */
export interface QuicPeer {
  /** The peer's certificate; undefined where a client has none. */
  readonly certificate: X509Certificate | undefined;
  /** It, followed by those that vouch for it, up to the CA where one is trusted. */
  readonly chain: readonly X509Certificate[];
  /** The name that the client asks for (SNI); empty where it does not say. */
  readonly serverName: string;
  readonly remoteAddress: SocketAddress;
  /** The negotiated ALPN (RFC 7301). */
  readonly protocol: string;
}

/** Says whether a peer is let in. */
type Authenticate = (peer: QuicPeer) => boolean | Promise<boolean>;

/** TLS alerts of a refusal (RFC 8446 section 6.2). */
const Alert = { accessDenied: 49, certificateRequired: 116 } as const;

/** An answer: undefined lets the peer in. */
export interface Refusal {
  readonly alert: number;
  readonly error: CertificateRefusedError;
}

/** Asks the application about peers, for the connections of one listener or connect call. */
export class Authenticator {
  readonly #authenticate: Authenticate;
  readonly #timeoutMs: number;

  constructor(authenticate: Authenticate, timeoutMs: number) {
    this.#authenticate = authenticate;
    this.#timeoutMs = timeoutMs;
  }

  /** Undefined where the behaviour judges nobody. */
  static of(behaviour: QuicBehaviour, timeoutMs: number): Authenticator | undefined {
    const { authenticate } = behaviour;
    if (authenticate === undefined) return undefined;
    return new Authenticator((peer) => authenticate.call(behaviour, peer), timeoutMs);
  }

  /** Resolves with the answer, at the latest when the handshake has taken too long; never rejects. */
  async ask(peer: QuicPeer): Promise<Refusal | undefined> {
    const alert = peer.certificate === undefined ? Alert.certificateRequired : Alert.accessDenied;
    const refuse = (message: string, options?: { cause: unknown }): Refusal => ({
      alert,
      error: new CertificateRefusedError(message, options),
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Refusal>((resolve) => {
      timer = setTimeout(() => {
        resolve(refuse(`behaviour.authenticate did not answer within ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
    });
    try {
      return await Promise.race([late, this.#answer(peer, refuse)]);
    } catch (cause) {
      return refuse("behaviour.authenticate failed", { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  async #answer(peer: QuicPeer, refuse: (message: string) => Refusal): Promise<Refusal | undefined> {
    const accepted: unknown = await this.#authenticate(peer);
    return accepted === true ? undefined : refuse("behaviour.authenticate refused the peer");
  }
}

/** Reads {u32 listener, u16 server name bytes, u16 ALPN bytes, server name, ALPN, certificates}. */
export function readPeer(record: RingReader, remoteAddress: SocketAddress): QuicPeer {
  const lengths = record.uint32(4);
  const bytes = record.bytes();
  const nameEnd = 8 + (lengths & 0xffff);
  const protocolEnd = nameEnd + (lengths >>> 16);
  const chain = decodeCertificates(bytes.subarray(protocolEnd));
  return {
    certificate: chain[0],
    chain,
    serverName: text(bytes.subarray(8, nameEnd)),
    remoteAddress,
    protocol: text(bytes.subarray(nameEnd, protocolEnd)),
  };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}
