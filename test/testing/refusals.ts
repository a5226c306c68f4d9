import assert from "node:assert/strict";
import { InvalidArgumentError, type MillraceError } from "#internal/errors.js";

/** Asserts that each of these options is refused as an argument, and what is said of it. */
export async function refusesEach(
  make: (options: never) => Promise<unknown>,
  refusals: readonly (readonly [options: unknown, message: RegExp])[],
): Promise<void> {
  for (const [options, message] of refusals) {
    await assert.rejects(make(options as never), (error: MillraceError) => {
      assert.ok(error instanceof InvalidArgumentError, `${error}`);
      assert.match(error.message, message);
      return true;
    });
  }
}
