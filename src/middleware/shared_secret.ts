import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { RejectCode } from "../delivery/reject.js";
import { readOptions } from "../options/read.js";
import { integer, isFunction, isListOf, object, option, withDefault } from "../options/schema.js";
import type { Middleware } from "../server/middleware.js";
import { refuse } from "../server/refusal.js";
import { Guesses } from "./guesses.js";

/** Text counts as its UTF-8. */
export type Secret = string | Uint8Array;

/** One secret, or several of which any will do, as while one replaces another; none where there is no such account. */
export type Secrets = Secret | readonly Secret[] | undefined;

/** Whom {@link sharedSecret} lets in, and how it slows down who guesses. */
export interface SharedSecretOptions {
  /**
   * The secret of all clients; or a function that finds that of an account, which is the client id of the hello, empty
   * where it names none. For an account that does not exist it returns undefined, and should take as long as for one that
   * does.
   */
  readonly secret: Secret | readonly Secret[] | ((account: string) => Secrets | PromiseLike<Secrets>);
  /**
   * Wrong guesses at an account from one address before the first wait, 1..1,000; 10 by default. An address has ten
   * times as many for all accounts together.
   */
  readonly freeGuesses?: number | undefined;
  /** The first wait after those; each further wrong guess doubles it. 1..3,600,000; 1,000 by default. */
  readonly firstWaitMs?: number | undefined;
  /** The longest wait, 1..86,400,000; 300,000 by default. */
  readonly maxWaitMs?: number | undefined;
  /** After so long without a wrong guess, those before are forgotten. 1..86,400,000; 900,000 by default. */
  readonly forgetAfterMs?: number | undefined;
  /** Of how many accounts and addresses wrong guesses are remembered, 2..10,000,000; 65,536 by default. */
  readonly maxTracked?: number | undefined;
}

const schema = object({
  secret: option<SharedSecretOptions["secret"]>(
    "a secret of at least one byte, a list of such, or a function",
    (value) => isFunction(value) || isSecret(value) || (isListOf(value, isSecret) && value.length > 0),
  ),
  freeGuesses: withDefault(integer(1, 1000), 10),
  firstWaitMs: withDefault(integer(1, 3_600_000), 1000),
  maxWaitMs: withDefault(integer(1, 86_400_000), 300_000),
  forgetAfterMs: withDefault(integer(1, 86_400_000), 900_000),
  maxTracked: withDefault(integer(2, 10_000_000), 65_536),
} satisfies Record<keyof SharedSecretOptions, unknown>);

/**
 * Authenticates clients by a secret that both sides know: the token of their hello. It goes over the wire as it is, so
 * connections need TLS.
 *
 * A comparison takes the same time whatever is right of a guess, and an account that does not exist is refused as one
 * whose secret is wrong. Who guesses is slowed down: see {@link SharedSecretOptions.freeGuesses}.
 * @param now milliseconds of a clock that never goes back; for tests.
 * @throws InvalidArgumentError
 */
// biome-ignore lint/suspicious/noExplicitAny: it fits sessions of any data
export function sharedSecret<Data = any>(
  options: SharedSecretOptions,
  now: () => number = () => performance.now(),
): Middleware<Data> {
  const { secret, ...limits } = readOptions(schema, options);
  const guesses = new Guesses(limits);
  const digest = digester();
  const nobody = digest(randomBytes(32));

  /** Compares with all secrets, and with one where there is none. */
  const isRight = (token: Uint8Array, secrets: Secrets): boolean => {
    const guess = digest(token);
    let right = false;
    for (const each of listOf(secrets)) right = timingSafeEqual(digest(each), guess) || right;
    const none = timingSafeEqual(nobody, guess);
    return right && !none;
  };

  return {
    name: "shared-secret",
    async connect(hello, context, next) {
      const { address } = context.remoteAddress;
      const account = hello.clientId ?? "";
      const waitMs = guesses.begin(account, address, now());
      if (waitMs > 0) {
        return refuse("not let in", { code: RejectCode.tooOften, retryAfterMs: Math.ceil(waitMs) });
      }
      let secrets: Secrets;
      try {
        secrets = typeof secret === "function" ? await secret(account) : secret;
      } catch (cause) {
        guesses.withdraw(account, address);
        throw cause;
      }
      if (!isRight(hello.token, secrets)) {
        guesses.wrong(address, now());
        return refuse();
      }
      guesses.right(account, address);
      return next();
    },
  };
}

function isSecret(value: unknown): boolean {
  return (typeof value === "string" || value instanceof Uint8Array) && value.length > 0;
}

/** An empty secret is none: it would let in who brings nothing. */
function listOf(secrets: Secrets): readonly Secret[] {
  const list = Array.isArray(secrets) ? (secrets as readonly Secret[]) : [secrets as Secret | undefined];
  return list.filter((each): each is Secret => isSecret(each));
}

/** Digests of one length, of which nobody outside knows any: so comparing them tells nothing of what they are of. */
function digester(): (bytes: Secret) => Buffer {
  const key = randomBytes(32);
  return (bytes) => createHmac("sha256", key).update(bytes).digest();
}
