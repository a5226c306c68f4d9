import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { build } from "esbuild";
import * as errors from "#internal/errors.js";

const page = readFileSync(join(resolve(import.meta.dirname, "../.."), "docs", "errors.md"), "utf8");

interface Entry {
  readonly code: string;
  readonly className: string;
  readonly retryable: boolean;
}

/** The page's sections: the code as heading, then the class, and whether it is retryable. */
const documented: Entry[] = [...page.matchAll(/^## (.+)\n\n`(\w+)`(, retryable)?\. \S.{20,}$/gm)].map(
  ([, code = "", className = "", retryable]) => ({ code, className, retryable: retryable !== undefined }),
);

type ErrorClass = new (message: string, options?: errors.MillraceErrorOptions) => errors.MillraceError;

const { MillraceError, ...concrete } = errors;
const classes: readonly ErrorClass[] = Object.values(concrete);

describe("the errors", () => {
  it("stand on the page docs/errors.md with code, class and retryability", () => {
    const real = classes.map((each) => {
      const { code, retryable } = new each("");
      return { code, className: each.name, retryable };
    });
    const byCode = (a: Entry, b: Entry) => a.code.localeCompare(b.code);
    assert.deepEqual(documented.sort(byCode), real.sort(byCode));
    assert.equal(page.match(/^## /gm)?.length, documented.length, "a section of the page is misshapen");
  });

  it("have a code each", () => {
    const codes = classes.map((each) => new each("").code);
    assert.equal(new Set(codes).size, codes.length);
    for (const code of codes) assert.match(code, /^ERR_MILLRACE_[A-Z_]+$/);
  });

  it("carry message, cause and their class's name", () => {
    const cause = new Error("underneath");
    for (const each of classes) {
      const error = new each("what to do", { cause });
      assert.ok(error instanceof MillraceError && error instanceof Error);
      assert.deepEqual([error.message, error.cause, error.name], ["what to do", cause, each.name]);
    }
  });

  it("keep their names in pages whose bundlers rename all classes", async () => {
    const { outputFiles } = await build({
      entryPoints: [join(resolve(import.meta.dirname, "../.."), "dist", "errors.js")],
      bundle: true,
      format: "esm",
      minify: true,
      write: false,
    });
    const code = outputFiles[0]!.text;
    assert.ok(!/class TimeoutError/.test(code), "nothing is renamed");
    const minified = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as typeof errors;
    for (const { name } of classes) {
      const Minified = minified[name as keyof typeof errors] as ErrorClass;
      const error = new Minified("what to do");
      assert.deepEqual([error.name, String(error)], [name, `${name}: what to do`]);
    }
  });
});
