import fc from "fast-check";

/** Few words, so that what is generated often meets; some that are members of every object. */
const word = fc.constantFrom("a", "b", "chat", "__proto__", "constructor", "é");
const token = fc.oneof({ weight: 3, arbitrary: word }, { weight: 1, arbitrary: fc.constant("*") });

export const subjects = fc.array(word, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join("."));

export const patterns = fc
  .tuple(fc.array(token, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([tokens, isOpen]) => [...tokens, ...(isOpen ? [">"] : [])].join("."));

/** Every subject of one to four tokens out of two, which tells any two patterns of those apart. */
export const smallSubjects: readonly string[] = (function extend(depth: number): string[] {
  if (depth === 0) return [];
  return ["a", "b"].flatMap((first) => [first, ...extend(depth - 1).map((later) => `${first}.${later}`)]);
})(5);

/** What matching means, as slowly as it can be said. */
export function matchesByDefinition(pattern: string, subject: string): boolean {
  const escaped = pattern
    .split(".")
    .map((each) => (each === "*" ? "[^.]+" : each === ">" ? ".+" : each.replace(/[$^]/g, "\\$&")));
  return new RegExp(`^${escaped.join("\\.")}$`, "u").test(subject);
}
