import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The command line, as built. */
export const cliPath = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url));

export interface CommandOptions {
  /** Put beside the test's own environment. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** A running `millrace …`, its output kept. */
export class MillraceProcess {
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[], { env, cwd }: CommandOptions = {}) {
    this.child = spawn(process.execPath, [cliPath, ...args], { env: { ...process.env, ...env }, cwd });
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.exited = once(this.child, "close").then(([code, signal]) => code ?? signal);
  }

  /** Waits until the output matches; fails with all of it where the process ends first or is silent too long. */
  async output(pattern: RegExp, deadlineMs = 60_000): Promise<RegExpExecArray> {
    const deadline = AbortSignal.timeout(deadlineMs);
    let ended: number | string | undefined;
    const gone = this.exited.then((code) => {
      ended = code;
    });
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match !== null) return match;
      if (ended !== undefined || deadline.aborted) {
        const how = ended === undefined ? "in time" : `before it ended with ${ended}`;
        throw new Error(`no ${pattern} ${how} in:\n${this.stdout}\n${this.stderr}`);
      }
      await Promise.race([
        gone,
        once(this.child.stdout, "data", { signal: deadline }).catch(() => undefined),
      ]);
    }
  }

  /** The first line, which is JSON. */
  async ready<T>(): Promise<T> {
    const [line] = await this.output(/^.*\n/);
    return JSON.parse(line) as T;
  }

  /** Asks it to end, and waits. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | string> {
    this.child.kill(signal);
    return this.exited;
  }
}

/** Runs `millrace …` to its end. */
export async function runMillrace(
  args: readonly string[],
  options: CommandOptions & { input?: string } = {},
) {
  const command = new MillraceProcess(args, options);
  command.child.stdin.end(options.input ?? "");
  const code = await command.exited;
  return { code, stdout: command.stdout, stderr: command.stderr };
}
