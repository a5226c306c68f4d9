import {
  AddressUnavailableError,
  CertificateExpiredError,
  CertificateNameError,
  CertificateRequiredError,
  CertificateUntrustedError,
  ConnectionRefusedError,
  HandshakeFailedError,
  HandshakeTimeoutError,
  type MillraceError,
  ProtocolMismatchError,
} from "../errors.js";

/** The time is over. */
export function connectTimedOut(target: string, handshakeTimeoutMs: number): MillraceError {
  return new HandshakeTimeoutError(
    `${target} did not complete the handshake within ${handshakeTimeoutMs} ms`,
  );
}

/** The error class for a handshake that failed in TCP, TLS or HTTP. @param target the URL, for messages. */
export function connectError(cause: Error, target: string): MillraceError {
  const code = (cause as NodeJS.ErrnoException).code ?? "";
  switch (code) {
    case "ECONNREFUSED":
      return new ConnectionRefusedError(`nothing listens on ${target}; is the server running?`, { cause });
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EADDRNOTAVAIL":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EINVAL":
    case "EACCES":
      return new AddressUnavailableError(
        `${target} cannot be reached (${code}); check the host and the network`,
        {
          cause,
        },
      );
    case "ETIMEDOUT":
      return new HandshakeTimeoutError(`${target} does not answer`, { cause });
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return new CertificateExpiredError(`the certificate of ${target} is out of its time of validity`, {
        cause,
      });
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return new CertificateNameError(`the certificate of ${target} is for another name: ${cause.message}`, {
        cause,
      });
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "CERT_UNTRUSTED":
    case "CERT_SIGNATURE_FAILURE":
    case "INVALID_CA":
      return new CertificateUntrustedError(
        `the certificate of ${target} is not trusted here (${code}); pass its CA as tls.ca`,
        { cause },
      );
    case "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED":
      return new CertificateRequiredError(`${target} requires a client certificate`, { cause });
    case "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL":
      return new ProtocolMismatchError(
        `${target} speaks none of the offered protocols; check the ALPN names of both`,
        { cause },
      );
    case "ERR_SSL_WRONG_VERSION_NUMBER":
      return new HandshakeFailedError(`${target} does not speak TLS; is it served without?`, { cause });
    default:
      return new HandshakeFailedError(`the handshake with ${target} failed: ${cause.message || code}`, {
        cause,
      });
  }
}
