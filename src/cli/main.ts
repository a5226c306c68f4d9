#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { MillraceError } from "../index.js";
import { chatCommand } from "./chat.js";
import { echoCommand } from "./echo.js";
import { serveCommand } from "./serve.js";
import { colours } from "./terminal.js";

/** Exit codes: 0 done, 1 it failed, 2 it was called wrongly. */
const exitFailed = 1;
const exitUsage = 2;

function program(): Command {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const root = new Command("millrace")
    .description(
      "A native-accelerated transport engine for Node.js: QUIC, WebSocket and TCP through one API.",
    )
    .version(version)
    .showHelpAfterError("(--help says more)");
  for (const command of [serveCommand(), chatCommand(), echoCommand()]) {
    root.addCommand(command.copyInheritedSettings(root));
  }
  for (const command of [root, ...root.commands]) command.exitOverride();
  return root;
}

function reportFailure(cause: unknown): void {
  if (cause instanceof CommanderError) {
    process.exitCode = cause.exitCode === 0 ? 0 : exitUsage;
    return;
  }
  process.exitCode = exitFailed;
  const { red } = colours(process.stderr);
  // What the user can mend is told in a sentence; anything else is a bug, and needs its stack.
  const text =
    cause instanceof MillraceError
      ? `${cause.message} (${cause.code})`
      : cause instanceof Error
        ? (cause.stack ?? cause.message)
        : String(cause);
  process.stderr.write(`${red("millrace:")} ${text}\n`);
}

async function main(): Promise<void> {
  const root = program();
  const words = process.argv.slice(2);
  if (words.length === 0) {
    root.outputHelp();
    return;
  }
  const [first] = words as [string];
  const isCommand = first === "help" || root.commands.some((command) => command.name() === first);
  // Behind a command that there is not, --help would be taken for the root's, and nothing be said of the command.
  await root.parseAsync(isCommand || first.startsWith("-") ? words : [first], { from: "user" });
}

// Whoever read our output, as `head` does, has had enough: that is no failure of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

main().catch(reportFailure);
