import { KeyObject } from "node:crypto";
import type { JWTVerifyGetKey } from "jose";
import { checkClientId } from "../delivery/client_id.js";
import { RejectCode } from "../delivery/reject.js";
import { KeysUnavailableError, PackageMissingError } from "../errors.js";
import type { AuthenticateContext, ClientHello } from "../server/behaviour.js";
import type { Middleware } from "../server/middleware.js";
import { type Refusal, refuse } from "../server/refusal.js";
import { type JwtClaims, type JwtKey, type JwtOptions, readJwtOptions } from "./jwt_options.js";
import { MemoryUsedTokens } from "./used_tokens.js";

type Jose = typeof import("jose");
type ReadJwtOptions = ReturnType<typeof readJwtOptions>;

/** A middleware that lets in who brings a valid token. */
export interface JwtMiddleware<Data> extends Middleware<Data> {
  /** What the token said that let a client in: for `authenticate`, which is asked after it, with the same context. */
  claims(context: AuthenticateContext): JwtClaims | undefined;
}

/** A longer `jti` is refused: it is kept. */
const maxIdCharacters = 256;
const retryWhenFullMs = 60_000;
/** Shorter than the time in which a client has to authenticate. */
const fetchTimeoutMs = 3000;

/**
 * Authenticates clients by a JSON Web Token (RFC 7519) in their hello, following RFC 8725: one of the algorithms that
 * were named, a key that fits, issuer, audience and expiry, and where it is for single use, never used before. Whatever
 * is wrong, the client learns only that it was not let in.
 *
 * A key set that cannot be fetched is no client's fault: KeysUnavailableError is told to the behaviour's `error`.
 * Needs the package jose, an optional peer.
 * @throws PackageMissingError, InvalidArgumentError
 * @see RFC 8725
 */
// biome-ignore lint/suspicious/noExplicitAny: it fits sessions of any data
export async function jwt<Data = any>(options: JwtOptions): Promise<JwtMiddleware<Data>> {
  const read = readJwtOptions(options);
  const verify = verifierOf(await loadJose(), read);
  const used = read.usedTokens ?? new MemoryUsedTokens(read.maxUsedTokens);
  const accepted = new WeakMap<AuthenticateContext, JwtClaims>();

  const judge = async (hello: ClientHello, context: AuthenticateContext): Promise<Refusal | undefined> => {
    let claims: JwtClaims;
    try {
      claims = await verify(hello.tokenText);
    } catch (cause) {
      if (cause instanceof KeysUnavailableError) throw cause;
      read.refused?.(cause, context);
      return refuse();
    }
    const clientId = checkClientId(read.clientId === undefined ? claims.sub : read.clientId(claims, hello));
    if (read.singleUse) {
      await context.confirmed; // a copy of its hello is not to use it up
      const outcome = await used.claim(idOf(claims), expiryMs(claims) + read.clockToleranceMs);
      if (outcome === "full") {
        return refuse("too many tokens are in use", { code: RejectCode.full, retryAfterMs: retryWhenFullMs });
      }
      if (outcome !== "claimed") {
        read.refused?.(new Error("the token was used before"), context);
        return refuse();
      }
    }
    context.clientId = clientId;
    accepted.set(context, claims);
    return undefined;
  };

  return {
    name: "jwt",
    async connect(hello, context, next) {
      return (await judge(hello, context)) ?? next();
    },
    claims: (context) => accepted.get(context),
  };
}

async function loadJose(): Promise<Jose> {
  return import("jose").catch((cause: unknown) => {
    throw new PackageMissingError("jwt() needs the package jose: npm install jose@6", { cause });
  });
}

function verifierOf(jose: Jose, options: ReadJwtOptions): (token: string) => Promise<JwtClaims> {
  const { algorithms, issuer, audience, clockToleranceMs, maxAgeMs, clientId, singleUse } = options;
  const requiredClaims = ["exp", ...(clientId === undefined ? ["sub"] : []), ...(singleUse ? ["jti"] : [])];
  const rules = {
    algorithms: [...algorithms],
    issuer: typeof issuer === "string" ? issuer : [...issuer],
    audience: typeof audience === "string" ? audience : [...audience],
    clockTolerance: clockToleranceMs / 1000,
    requiredClaims,
    ...(maxAgeMs !== undefined && { maxTokenAge: maxAgeMs / 1000 }),
  };
  const key = keyOf(jose, options.key);
  return async (token) => {
    // jose does not look at the types of these two.
    const { payload } = await jose.jwtVerify(token, key, rules);
    const { sub, jti } = payload as { sub?: unknown; jti?: unknown };
    if (sub !== undefined && typeof sub !== "string") throw new TypeError("sub is no string");
    if (clientId === undefined) checkClientId(sub);
    if (jti !== undefined && (typeof jti !== "string" || jti.length > maxIdCharacters)) {
      throw new TypeError(`jti is no string of at most ${maxIdCharacters} characters`);
    }
    return payload;
  };
}

function keyOf(jose: Jose, key: JwtKey): KeyObject | Uint8Array | JWTVerifyGetKey {
  if (key instanceof KeyObject || key instanceof Uint8Array) return key;
  if (!(key instanceof URL)) {
    const isSet = Array.isArray((key as { keys?: unknown }).keys);
    return isSet ? jose.createLocalJWKSet(key as never) : (key as never);
  }
  const fetched = jose.createRemoteJWKSet(key, { timeoutDuration: fetchTimeoutMs });
  const { JWKSNoMatchingKey, JWKSMultipleMatchingKeys, JOSENotSupported } = jose.errors;
  return async (header, token) => {
    try {
      return await fetched(header, token);
    } catch (cause) {
      const isTokens = [JWKSNoMatchingKey, JWKSMultipleMatchingKeys, JOSENotSupported].some(
        (each) => cause instanceof each,
      );
      throw isTokens ? cause : new KeysUnavailableError(`the keys of ${key.origin} cannot be had`, { cause });
    }
  };
}

/** A `jti` is its issuer's: two of them may give out the same. */
function idOf({ iss, jti }: JwtClaims): string {
  return JSON.stringify([iss, jti]);
}

function expiryMs({ exp }: JwtClaims): number {
  return exp! * 1000;
}
