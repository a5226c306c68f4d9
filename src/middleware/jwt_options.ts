import { KeyObject } from "node:crypto";
import { InvalidArgumentError } from "../errors.js";
import { readOptions } from "../options/read.js";
import {
  flag,
  integer,
  isFunction,
  isListOf,
  isRecord,
  object,
  option,
  optional,
  withDefault,
} from "../options/schema.js";
import type { AuthenticateContext, ClientHello } from "../server/behaviour.js";
import type { UsedTokens } from "./used_tokens.js";

/** What a token says (RFC 7519 section 4). */
export interface JwtClaims {
  readonly iss?: string | undefined;
  readonly sub?: string | undefined;
  readonly aud?: string | readonly string[] | undefined;
  readonly exp?: number | undefined;
  readonly nbf?: number | undefined;
  readonly iat?: number | undefined;
  readonly jti?: string | undefined;
  readonly [claim: string]: unknown;
}

/** A key as JSON (RFC 7517). */
export type Jwk = Readonly<Record<string, unknown>> & { readonly kty: string };

/**
 * What tokens are verified by: a public key; a secret of at least 32 bytes, for the `HS` algorithms; one of those as
 * JSON, or a set of public keys; or the https address of such a set, which is fetched when it is needed, and kept.
 */
export type JwtKey = KeyObject | Uint8Array | Jwk | { readonly keys: readonly Jwk[] } | URL;

/** Which tokens {@link jwt} accepts. */
export interface JwtOptions {
  readonly key: JwtKey;
  /** The signature algorithms that are accepted (RFC 7518 section 3.1); `none` is not one. No default. */
  readonly algorithms: readonly string[];
  /** Who may have issued a token: its `iss`. */
  readonly issuer: string | readonly string[];
  /** For whom it must be: its `aud` names one of them. */
  readonly audience: string | readonly string[];
  /**
   * Whether a token opens one session only. Then it needs a `jti`, and a client brings a new one at each connect, also
   * when it takes up a session again. Otherwise who steals a token can use it until it expires. No default.
   */
  readonly singleUse: boolean;
  /** Where used tokens are remembered; in this thread by default, up to `maxUsedTokens`. */
  readonly usedTokens?: UsedTokens | undefined;
  /** 1..100,000,000; 100,000 by default. When so many are valid and used, further tokens are refused for a while. */
  readonly maxUsedTokens?: number | undefined;
  /** How far the issuer's clock may be off, 0..300,000; 5,000 by default. */
  readonly clockToleranceMs?: number | undefined;
  /** How old a token may be by its `iat`, which it then needs. Not limited by default: its `exp`, which it needs, counts. */
  readonly maxAgeMs?: number | undefined;
  /**
   * Which client id the session gets; undefined: none. By default it is the token's `sub`, which it then needs: what the
   * client asks for itself does not count, else it could take another's name.
   */
  readonly clientId?: ((claims: JwtClaims, hello: ClientHello) => string | undefined) | undefined;
  /** Is told why a token was refused, for logs: the client is told the same in every case. */
  readonly refused?: ((cause: unknown, context: AuthenticateContext) => void) | undefined;
}

const algorithmNames = /^(HS|RS|PS|ES)(256|384|512)$|^(EdDSA|Ed25519|ML-DSA-(44|65|87))$/;
const minSecretBytes = 32;
const loopback = ["localhost", "127.0.0.1", "[::1]"];

const names = option<string | readonly string[]>(
  "a string, or a list of at least one",
  (value) => isName(value) || (isListOf(value, isName) && value.length > 0),
);

const schema = object({
  key: option<JwtKey>(
    "a KeyObject, a secret of at least 32 bytes, a JWK, a set of them, or an https URL",
    isKey,
  ),
  algorithms: option<readonly string[]>(
    'a list of at least one algorithm such as "ES256", and never "none"',
    (value) =>
      isListOf(value, (name) => typeof name === "string" && algorithmNames.test(name)) && value.length > 0,
  ),
  issuer: names,
  audience: names,
  singleUse: flag,
  usedTokens: optional(
    option<UsedTokens>("an object with a method claim", (value) =>
      isFunction((value as { claim?: unknown } | null | undefined)?.claim),
    ),
  ),
  maxUsedTokens: withDefault(integer(1, 100_000_000), 100_000),
  clockToleranceMs: withDefault(integer(0, 300_000), 5000),
  maxAgeMs: optional(integer(1, 2 ** 40)),
  clientId: optional(option<NonNullable<JwtOptions["clientId"]>>("a function", isFunction)),
  refused: optional(option<NonNullable<JwtOptions["refused"]>>("a function", isFunction)),
} satisfies Record<keyof JwtOptions, unknown>);

/** @throws InvalidArgumentError */
export function readJwtOptions(options: JwtOptions) {
  const read = readOptions(schema, options);
  const symmetric = read.algorithms.filter((name) => name.startsWith("HS")).length;
  // One list for both would let a public key be used as a secret.
  if (symmetric > 0 && symmetric < read.algorithms.length) {
    throw new InvalidArgumentError(
      "algorithms must not mix those of secrets (HS…) with those of public keys",
    );
  }
  if (isSecret(read.key) !== symmetric > 0) {
    throw new InvalidArgumentError(
      `key must be ${symmetric > 0 ? "a secret" : "a public key"} for these algorithms`,
    );
  }
  return read;
}

function isName(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isKey(value: unknown): boolean {
  if (value instanceof KeyObject) {
    return value.type === "public" || (value.type === "secret" && value.symmetricKeySize! >= minSecretBytes);
  }
  if (value instanceof Uint8Array) return value.length >= minSecretBytes;
  if (value instanceof URL) {
    return value.protocol === "https:" || (value.protocol === "http:" && loopback.includes(value.hostname));
  }
  if (!isRecord(value)) return false;
  const { keys } = value as { keys?: unknown };
  if (keys === undefined) return isJwk(value);
  // A set of secrets would be one that is sent about.
  return isListOf(keys, (key) => isJwk(key) && !isSecret(key as Jwk)) && keys.length > 0;
}

function isJwk(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { kty, k } = value as { kty?: unknown; k?: unknown };
  if (kty === "oct") return typeof k === "string" && Buffer.from(k, "base64url").length >= minSecretBytes;
  return isName(kty) && !("d" in (value as object)); // which only a private key has
}

function isSecret(key: JwtKey): boolean {
  if (key instanceof Uint8Array) return true;
  if (key instanceof KeyObject) return key.type === "secret";
  return "kty" in key && key.kty === "oct";
}
