import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface, type Interface } from "node:readline";
import { onCore } from "./pinning.js";
import { nameOf } from "./program_name.js";
import { root } from "./root.js";

const readyDeadlineMs = 20_000;
const stopDeadlineMs = 10_000;
/** Linux counts CPU time in these, everywhere that Node runs (sysconf(_SC_CLK_TCK)). */
const ticksPerSecond = 100;

/** A child process that says one line of JSON when it is ready, answers commands, and ends with its standard input. */
export class BenchProcess {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #name: string;
  #errors = "";

  private constructor(command: readonly string[], core: number | undefined) {
    const [program, ...arguments_] = core === undefined ? command : onCore(core, command);
    this.#name = nameOf(command);
    this.#child = spawn(program!, arguments_, { stdio: ["pipe", "pipe", "pipe"] });
    this.#lines = createInterface({ input: this.#child.stdout! });
    this.#child.stderr!.on("data", (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    this.#child.stdin!.on("error", () => {}); // a child that is gone is noticed by its exit
  }

  /** Starts it and resolves with it and its first line. Without a core it runs on all of them. */
  static async start<Ready>(
    command: readonly string[],
    options: { readonly core?: number; readonly deadlineMs?: number },
  ): Promise<{ process: BenchProcess; ready: Ready }> {
    const started = new BenchProcess(command, options.core);
    try {
      const line = await started.#line(options.deadlineMs ?? readyDeadlineMs);
      return { process: started, ready: JSON.parse(line) as Ready };
    } catch (cause) {
      await started.stop();
      throw cause;
    }
  }

  /**
   * Starts it, and resolves with the one line that it prints before it ends by itself.
   * Rejects when it does not end well, whatever it printed.
   */
  static async run<Result>(
    command: readonly string[],
    options: { readonly core?: number; readonly deadlineMs: number },
  ): Promise<Result> {
    const { process, ready } = await BenchProcess.start<Result>(command, options);
    await process.stop();
    if (process.#child.exitCode !== 0) throw process.#failure(`failed after ${JSON.stringify(ready)}`);
    return ready;
  }

  /** Sends a command and resolves with its answer. */
  async ask<Answer>(command: string, deadlineMs = readyDeadlineMs): Promise<Answer> {
    this.#child.stdin!.write(`${command}\n`);
    return JSON.parse(await this.#line(deadlineMs)) as Answer;
  }

  /** The CPU time it has used, all threads. */
  async cpuSeconds(): Promise<number> {
    const stat = await readFile(`/proc/${this.#child.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // from the third field on: proc(5)
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  /** The bytes of its memory that are resident. */
  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** Ends its standard input, and it soon after. */
  async stop(): Promise<void> {
    const exited = this.#exited ? undefined : once(this.#child, "exit");
    this.#child.stdin!.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), stopDeadlineMs);
    await exited;
    clearTimeout(timer);
  }

  get #exited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async #line(deadlineMs: number): Promise<string> {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), deadlineMs);
    try {
      const [line] = await Promise.race([
        once(this.#lines, "line", { signal: controller.signal }) as Promise<[string]>,
        once(this.#lines, "close", { signal: controller.signal }).then(() => {
          throw this.#failure("ended early");
        }),
      ]);
      return line;
    } catch (cause) {
      if (!controller.signal.aborted) throw cause;
      throw this.#failure(`did not answer in ${deadlineMs} ms`);
    } finally {
      clearTimeout(timer);
      controller.abort();
    }
  }

  #failure(what: string): Error {
    const why = this.#errors.trim().replaceAll(`${root}/`, ""); // it is recorded: where the tree lies is no part of it
    return new Error(`"${this.#name}" ${what}: ${why || "it said nothing about why"}`);
  }
}
