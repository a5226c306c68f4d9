/**
 * Which web pages may open a WebSocket here: a browser tells whose script asks for one (RFC 6455 section 10.2, RFC 6454
 * section 7), and sends its user's cookies along whoever that is.
 */
export interface OriginRules {
  /** Serialized origins in lower case; undefined lets every page in. */
  readonly origins: ReadonlySet<string> | undefined;
  /** Whether one who names none is let in: what is no browser. */
  readonly allowMissing: boolean;
}

/** @param origins as the options have them. */
export function originRules({
  origins,
  allowMissingOrigin = true,
}: {
  readonly origins?: readonly string[] | undefined;
  readonly allowMissingOrigin?: boolean | undefined;
}): OriginRules {
  return {
    origins: origins && new Set(origins.map(asciiLowerCase)),
    allowMissing: allowMissingOrigin,
  };
}

/** @param origin the header; empty where there is none. */
export function allowsOrigin({ origins, allowMissing }: OriginRules, origin: string): boolean {
  if (origin === "") return allowMissing;
  return origins === undefined || origins.has(asciiLowerCase(origin));
}

/** Not of other letters: some that are none of ASCII have one of it as their lower case. */
function asciiLowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
