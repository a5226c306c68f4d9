import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

interface Call {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** A module of ours in a process of its own, whose functions are called over IPC; the module says `answerCalls`. */
export class Program {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #calls = 0;

  /** @param through words of a command that runs the rest of its line elsewhere. */
  constructor(module: URL, through: readonly string[]) {
    const [command, ...words] = [...through, process.execPath, fileURLToPath(module)];
    this.#child = spawn(command!, words, {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      serialization: "advanced",
    });
    this.#child.on("message", (answer: Answer) => this.#onAnswer(answer));
    this.#ended = once(this.#child, "exit").then(([code, signal]) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`${fileURLToPath(module)} ended with ${code ?? signal} before it answered`));
      }
      this.#waiting.clear();
    });
  }

  /** Calls one of its functions. */
  call<T>(name: string, argument?: unknown): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const id = ++this.#calls;
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#child.send({ id, name, argument } satisfies Call);
    });
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #onAnswer({ id, value, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }
}

/** In the program: the functions that may be called, by name. It ends with the process that started it. */
export function answerCalls(functions: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on("disconnect", () => process.exit());
  process.on("message", async ({ id, name, argument }: Call) => {
    try {
      const value = await functions[name]!(argument as never);
      process.send!({ id, value } satisfies Answer);
    } catch (error) {
      process.send!({ id, error: error instanceof Error ? `${error.stack}` : `${error}` } satisfies Answer);
    }
  });
}
