import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "#internal/errors.js";
import {
  checkPattern,
  checkSubject,
  covers,
  isLiteral,
  isPattern,
  isSubject,
  matches,
  maxSubjectBytes,
  maxSubjectTokens,
  overlaps,
  patternFault,
  subjectFault,
} from "#internal/topic/subject.js";
import { matchesByDefinition, patterns, smallSubjects, subjects } from "./patterns.js";

const sound = [
  "a",
  "chat.room.42",
  "$SYS.x",
  "a-b_c/d:e",
  "日本.部屋",
  "caf\u00e9",
  "👍",
  "__proto__.constructor",
  "\u06cc\u200c\u06a9",
];
const soundPatterns = ["*", ">", "*.*", "a.*.c", "a.>", "*.>", "a.*.>", "*.a.*.*.*", "*.*.*.*.>"];

const unsound: Readonly<Record<string, readonly unknown[]>> = {
  "at least one token": [undefined, null, 7, "", {}, ["a"], Symbol("a"), new String("a")],
  "no empty token": [".", "a.", ".a", "a..b", "..."],
  "no white space, control character or lone surrogate": [
    " ",
    "a b",
    "a.\t",
    "a\n",
    "a\r\nPUB x",
    "\0",
    "a\0b",
    "\x7f",
    "\x1b[31m",
    "a\u0085",
    "a\u00a0b",
    "\u3000",
    "\u2028",
    "\ufeffa",
    "\ud800",
    "a.\udc00",
    "\udc00\ud800",
  ],
  "at most 256 bytes": [
    "a".repeat(257),
    "é".repeat(129),
    "日".repeat(86),
    "👍".repeat(65),
    "a".repeat(2 ** 24),
  ],
  "at most 16 tokens": [Array(17).fill("a").join(".")],
  "normalisation form C": ["cafe\u0301", "\u212b", "a.\u1100\u1161"],
};
const unsoundPatterns = [
  "a*",
  "*a",
  "**",
  "a.*b",
  "a.b*.c",
  ">.a",
  "a.>.b",
  ">>",
  "a>",
  ">a",
  "a.>b",
  ">*",
  "*>",
  ">.>",
  ">\u0338",
  "*\u0301",
];

describe("a subject", () => {
  it("is tokens of any letters with dots between them", () => {
    for (const subject of sound) {
      assert.equal(subjectFault(subject), undefined, subject);
      assert.ok(isSubject(subject) && isPattern(subject) && isLiteral(subject));
      checkSubject(subject);
    }
  });

  it("has no wildcard anywhere", () => {
    for (const pattern of [...soundPatterns, ...unsoundPatterns]) {
      assert.equal(isSubject(pattern), false, pattern);
      assert.throws(() => checkSubject(pattern), InvalidArgumentError);
    }
  });

  it("is refused with the reason where it is anything else, as a pattern is", () => {
    for (const [reason, values] of Object.entries(unsound)) {
      for (const value of values) {
        assert.match(String(subjectFault(value)), new RegExp(reason), String(value));
        assert.equal(patternFault(value), subjectFault(value));
        assert.ok(!isSubject(value) && !isPattern(value));
        assert.throws(
          () => checkSubject(value, "topic"),
          (error: Error) => {
            assert.ok(error instanceof InvalidArgumentError);
            assert.match(error.message, /^topic must /);
            // What a peer wrote reaches a log as one short line.
            assert.ok(error.message.length < 200 && !/\p{Cc}/u.test(error.message), error.message);
            return true;
          },
        );
      }
    }
  });

  it("may be as long as the caps allow", () => {
    assert.ok(isSubject("a".repeat(maxSubjectBytes)));
    assert.ok(isSubject("👍".repeat(maxSubjectBytes / 4)));
    assert.ok(isSubject(Array(maxSubjectTokens).fill("a").join(".")));
  });

  it("has one spelling: whatever passes is its own normalised, trimmed, well-formed self", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const passes =
          text.normalize("NFC") === text &&
          !/[\s\p{Cc}\p{Cs}*>]/u.test(text) &&
          text.split(".").every((token) => token !== "") &&
          Buffer.byteLength(text) <= maxSubjectBytes &&
          text.split(".").length <= maxSubjectTokens;
        assert.equal(isSubject(text), passes);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a pattern", () => {
  it("is a subject in which tokens may be *, and the last >", () => {
    for (const pattern of soundPatterns) {
      assert.equal(patternFault(pattern), undefined, pattern);
      assert.equal(isLiteral(pattern), false);
      checkPattern(pattern);
    }
  });

  it("has wildcards as whole tokens only, and > nowhere but at the end", () => {
    for (const pattern of unsoundPatterns) {
      assert.equal(isPattern(pattern), false, pattern);
      assert.throws(() => checkPattern(pattern), InvalidArgumentError);
    }
  });

  it("has few wildcards, since each doubles what a publish may cost", () => {
    for (const pattern of ["*.*.*.*.*", "*.a.*.b.*.c.*.d.*", "*.*.*.*.*.>"]) {
      assert.equal(patternFault(pattern), "must have at most 4 `*`");
      assert.throws(() => checkPattern(pattern), InvalidArgumentError);
    }
  });

  it("matches what its definition says", () => {
    fc.assert(
      fc.property(patterns, subjects, (pattern, subject) => {
        assert.ok(isPattern(pattern) && isSubject(subject));
        assert.equal(
          matches(pattern, subject),
          matchesByDefinition(pattern, subject),
          `${pattern} ${subject}`,
        );
      }),
      { numRuns: 2_000 },
    );
  });

  it("does not match in part: neither a token, nor the tokens before the end", () => {
    for (const [pattern, subject] of [
      ["a.>", "a"],
      ["a", "a.b"],
      ["a.b", "a"],
      ["*", "a.b"],
      ["ab", "a"],
      ["a", "ab"],
      ["a.*", "a"],
      ["*.*", "a"],
    ] as const) {
      assert.equal(matches(pattern, subject), false, `${pattern} ${subject}`);
    }
  });

  it("covers another exactly where it matches all that the other does, and overlaps it where they share any", () => {
    const token = fc.constantFrom("a", "b", "*");
    const small = fc
      .tuple(fc.array(token, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([tokens, isOpen]) => [...tokens, ...(isOpen ? [">"] : [])].join("."));
    fc.assert(
      fc.property(small, small, (one, other) => {
        const ofOther = smallSubjects.filter((subject) => matches(other, subject));
        // A letter that neither names stands for all the others.
        const strange = other.replace(/\*/g, "c").replace(">", "c.c");
        assert.equal(
          covers(one, other),
          [...ofOther, strange, other.replace(/\*/g, "c").replace(">", "c")].every((subject) =>
            matches(one, subject),
          ),
          `${one} covers ${other}`,
        );
        assert.equal(
          overlaps(one, other),
          ofOther.some((subject) => matches(one, subject)),
          `${one} overlaps ${other}`,
        );
        assert.equal(overlaps(other, one), overlaps(one, other));
      }),
      { numRuns: 2_000 },
    );
  });
});
