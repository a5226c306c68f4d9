/** A failure whose message is all that the user needs; our stack would tell nothing. */
export class SetupFailure extends Error {
  /** @param details what a command printed, shown above the message */
  constructor(message, details = "") {
    super(message);
    this.details = details;
  }
}

/**
 * The options that a script was started with. One that it does not know must not start a long build.
 * @param command how it is called
 * @throws SetupFailure
 */
export function readArguments(command, known = []) {
  const given = process.argv.slice(2);
  const unknown = given.find((option) => !known.includes(option));
  if (unknown === undefined) return given;
  const usage = [command, ...(known.length > 0 ? ["--"] : []), ...known.map((option) => `[${option}]`)];
  throw new SetupFailure(`usage: ${usage.join(" ")}; there is no ${unknown}`);
}

/** Runs a script's main function; prints what failed and exits with 1. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof SetupFailure)) throw error;
    if (error.details !== "") console.error(`${error.details}\n`);
    console.error(`millrace: ${error.message}`);
    process.exit(1);
  }
}
