import { readOptions } from "../options/read.js";
import { isListOf, object, option, optional, withDefault } from "../options/schema.js";
import { covers, isPattern, isSubject, matches, overlaps } from "../topic/subject.js";

/**
 * Subjects that are allowed and denied, as patterns with `*` and `>`. A denial is stronger than what allows; what neither
 * names is denied. `{clientId}` as a whole token stands for the session's client id: `inbox.{clientId}.>`. Where that is
 * no token of its own (a session has none, or one with a dot or a wildcard in it), the pattern matches nothing.
 */
export interface SubjectRules {
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
}

/** What a session may do, by kind; a kind that is left out is denied. */
export interface AccessRules {
  /** The requests that it makes. */
  readonly request?: SubjectRules | undefined;
  /** What it publishes. */
  readonly publish?: SubjectRules | undefined;
  /**
   * What it subscribes to. A pattern is allowed where all that it matches is, and denied where it could bring anything
   * that is denied.
   */
  readonly subscribe?: SubjectRules | undefined;
  /** The messages that it sends with a subject; those without one are not looked at. */
  readonly message?: SubjectRules | undefined;
}

const placeholder = "{clientId}";

const patternList = withDefault(
  option<readonly string[]>("a list of patterns", (value) =>
    isListOf(value, (each) => typeof each === "string" && isPattern(fill(each, "x"))),
  ),
  [],
);
const subjectRules = optional(
  object({ allow: patternList, deny: patternList } satisfies Record<keyof SubjectRules, unknown>),
);
const schema = object({
  request: subjectRules,
  publish: subjectRules,
  subscribe: subjectRules,
  message: subjectRules,
} satisfies Record<keyof AccessRules, unknown>);

/** @throws InvalidArgumentError */
export function readAccessRules(rules: AccessRules) {
  return readOptions(schema, rules, "rules", "rules.");
}

/** Whether rules that were read allow a subject, or for a subscription all that a pattern matches. */
export function allows(
  rules: { readonly allow: readonly string[]; readonly deny: readonly string[] } | undefined,
  isSubscription: boolean,
  subject: string,
  clientId: string | undefined,
): boolean {
  if (rules === undefined || !(isSubscription ? isPattern(subject) : isSubject(subject))) return false;
  const denies = isSubscription ? overlaps : matches;
  const permits = isSubscription ? covers : matches;
  const some = (patterns: readonly string[], relates: (rule: string, subject: string) => boolean) =>
    patterns.some((rule) => {
      if (!rule.includes(placeholder)) return relates(rule, subject);
      return isToken(clientId) && relates(fill(rule, clientId), subject);
    });
  return some(rules.allow, permits) && !some(rules.deny, denies);
}

/** Whether a text is one token of a subject, so that it stands for nothing else in a pattern. */
function isToken(text: string | undefined): text is string {
  return text !== undefined && !text.includes(".") && isSubject(text);
}

function fill(rule: string, clientId: string): string {
  return rule
    .split(".")
    .map((token) => (token === placeholder ? clientId : token))
    .join(".");
}
