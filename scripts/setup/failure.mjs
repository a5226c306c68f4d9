/** A failure whose message is all that the user needs; our stack would tell nothing. */
export class SetupFailure extends Error {
  /** @param details what a command printed, shown above the message */
  constructor(message, details = "") {
    super(message);
    this.details = details;
  }
}

/** Refuses arguments where a script has none: one that is not understood must not start a long build. */
export function takesNoArguments(command) {
  const [, , first] = process.argv;
  if (first !== undefined) throw new SetupFailure(`${command} takes no arguments, and not ${first}`);
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
