import type { X509Certificate } from "node:crypto";
import {
  AddressForbiddenError,
  AddressInUseError,
  AddressUnavailableError,
  CertificateExpiredError,
  CertificateNameError,
  CertificateRefusedError,
  CertificateRequiredError,
  CertificateUntrustedError,
  ConnectionLostError,
  ConnectionRefusedError,
  CredentialUnreadableError,
  HandshakeFailedError,
  HandshakeTimeoutError,
  InternalError,
  type MillraceError,
  ProtocolMismatchError,
  ResourceExhaustedError,
} from "../errors.js";
import { loadAddon } from "../native/addon.js";

/** TLS alerts (RFC 8446 section 6.2) and what OpenSSL reports as one, by msquic. */
const TlsAlert = {
  badCertificate: 42,
  unsupportedCertificate: 43,
  certificateRevoked: 44,
  certificateExpired: 45,
  certificateUnknown: 46,
  unknownCa: 48,
  accessDenied: 49,
  internalError: 80,
  certificateRequired: 116,
} as const;

/** msquic's status codes of this platform: errno values, and TLS alerts above `tlsAlert`. */
function statusCodes() {
  return loadAddon().constants.status!;
}

/** Whether an address could not be bound because somebody has it. */
export function isInUse(status: number): boolean {
  return status === statusCodes().addressInUse;
}

/** Why an address cannot be bound: to listen, or to go on from. */
export function bindError(status: number, where: string): MillraceError {
  const code = statusCodes();
  switch (status) {
    case code.addressInUse:
      return new AddressInUseError(
        where.endsWith(":0")
          ? `no UDP port is free on every address, which a QUIC listener needs, to listen on ${where}`
          : `UDP ${where} is taken by another process, or by connections of this one that are just ending; stop it, try again shortly, or choose another port`,
      );
    case code.alpnInUse:
      return new AddressInUseError(
        `UDP ${where} already has a listener for these protocols; close it, choose another port, or share it with the same options and TLS`,
      );
    case code.forbidden:
      return new AddressForbiddenError(
        `this user may not bind UDP ${where}; choose a port from 1024 on, or give the process the right to`,
      );
    case code.addressNotAvailable:
      return new AddressUnavailableError(`UDP ${where} is not an address of this machine`);
    default:
      return new InternalError(`binding UDP ${where} failed with msquic's status ${status}`);
  }
}

/** Why a credential that passed our own checks was refused by msquic. */
export function credentialError(status: number): MillraceError {
  return new CredentialUnreadableError(
    `TLS does not take the certificate, key or CA (msquic's status ${status}); an RSA key needs 2048 bits`,
  );
}

/** Why a handshake failed. @param shown the server's certificate, where only its name was wrong. */
export function handshakeError(status: number, where: string, shown?: X509Certificate): MillraceError {
  const code = statusCodes();
  switch (status) {
    case code.connectionTimeout:
    case code.connectionIdle:
      return new HandshakeTimeoutError(
        `${where} did not answer in time; check the address, and that UDP is not blocked on the way`,
      );
    case code.connectionRefused:
      return new ConnectionRefusedError(`${where} refuses connections for now; try again later`);
    case code.unreachable:
      return new ConnectionRefusedError(
        `nothing listens on UDP ${where}; start the server or check the port`,
      );
    case code.alpnMismatch:
      return new ProtocolMismatchError(
        `${where} speaks none of the offered protocols; check the ALPN names of both`,
      );
    case code.certificateExpired:
      return new CertificateExpiredError(`the certificate of ${where} is expired or not yet valid; renew it`);
    case code.certificateUntrusted:
      return untrusted(where);
    case code.outOfMemory:
      return new ResourceExhaustedError("there is no memory for another connection");
    default:
      return alertError(status - code.tlsAlert!, status, where, shown);
  }
}

function alertError(alert: number, status: number, where: string, shown?: X509Certificate): MillraceError {
  switch (alert) {
    case TlsAlert.badCertificate:
    case TlsAlert.certificateUnknown:
      return new CertificateNameError(
        `the certificate of ${where} is not for that name${namesOf(shown)}; connect by a name it has, or set tls.serverName`,
      );
    case TlsAlert.certificateExpired:
      return new CertificateExpiredError(`the certificate of ${where} is expired or not yet valid; renew it`);
    case TlsAlert.unknownCa:
      return untrusted(where);
    case TlsAlert.certificateRequired:
      return new CertificateRequiredError(`${where} asks for a client certificate`);
    case TlsAlert.internalError: // what msquic tells when its application gives up a handshake that it had begun
      return new ConnectionRefusedError(
        `${where} gave up the handshake for a reason of its own, as a server does that is closing; try again later`,
      );
    default: {
      const isAlert = alert >= 0 && alert < 256;
      const what = isAlert ? `TLS alert ${alert}` : `msquic's status ${status}`;
      return new HandshakeFailedError(`the handshake with ${where} failed with ${what}`);
    }
  }
}

/** Why the handshake of a peer that came to us failed, when neither application asked for it. */
export function acceptError(status: number, from: string): MillraceError {
  const code = statusCodes();
  if (status === code.connectionTimeout || status === code.connectionIdle) {
    return new HandshakeTimeoutError(`${from} did not complete its handshake in time`);
  }
  const alert = status - code.tlsAlert!;
  const what = alert >= 0 && alert < 256 ? `TLS alert ${alert}` : `msquic's status ${status}`;
  switch (alert) {
    case TlsAlert.certificateRequired:
      return new CertificateRequiredError(`${from} has shown no certificate`);
    case TlsAlert.unknownCa:
      return new CertificateUntrustedError(
        `the handshake with ${from} failed with ${what}: one certificate is signed by no CA that the other side trusts`,
      );
    default:
      return new HandshakeFailedError(`the handshake with ${from} failed with ${what}`);
  }
}

/** The names that a certificate has, as a part of a message: a peer's may have thousands. */
function namesOf(certificate: X509Certificate | undefined): string {
  if (certificate === undefined) return "";
  const names = certificate.subjectAltName || "nothing";
  return ` but for ${names.length > 200 ? `${names.slice(0, 200)}…` : names}`;
}

/** In TLS 1.3 a client's handshake is complete before the server has looked at its certificate. */
function refusedError(alert: number): MillraceError | undefined {
  switch (alert) {
    case TlsAlert.certificateRequired:
      return new CertificateRequiredError(
        "the server asks for a client certificate; pass tls.certificate and tls.privateKey",
      );
    case TlsAlert.badCertificate:
    case TlsAlert.unsupportedCertificate:
    case TlsAlert.certificateRevoked:
    case TlsAlert.certificateUnknown:
    case TlsAlert.accessDenied:
      return new CertificateRefusedError(`the server refused our certificate with TLS alert ${alert}`);
    case TlsAlert.certificateExpired:
      return new CertificateExpiredError(
        "the server finds our certificate expired or not yet valid; renew it",
      );
    case TlsAlert.unknownCa:
      return new CertificateUntrustedError(
        "our certificate is not signed by a CA that the server trusts; pass its whole chain as tls.certificate",
      );
    default:
      return undefined;
  }
}

function untrusted(where: string): MillraceError {
  return new CertificateUntrustedError(
    `the certificate of ${where} is not signed by a CA that is trusted here; pass its CA as tls.ca`,
  );
}

/** Why an open connection ended, when neither side asked for it. */
export function lossError(status: number): MillraceError {
  const code = statusCodes();
  switch (status) {
    case code.connectionIdle:
      return new ConnectionLostError("the connection was silent for longer than its idle timeout");
    case code.connectionTimeout:
      return new ConnectionLostError("the peer stopped acknowledging; the network or the peer is gone");
    default:
      return (
        refusedError(status - code.tlsAlert!) ??
        new ConnectionLostError(`the transport ended the connection with msquic's status ${status}`)
      );
  }
}
