import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { temporaryFolder } from "./folder.js";

const run = promisify(execFile);
const pollMs = 50;

/** A program in a real terminal: tmux's, 100 × 30, with a server of its own. */
export class Terminal {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  /** @param command the words of the program. */
  static async open(command: readonly string[], env: Readonly<Record<string, string>>): Promise<Terminal> {
    const terminal = new Terminal(join(temporaryFolder(), "tmux"));
    const words = [...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...command];
    // `remain-on-exit` keeps the screen, and the exit code, when the program has ended.
    const keepScreen = ["set-option", "-g", "remain-on-exit", "on"];
    const session = ["new-session", "-d", "-x", "100", "-y", "30", "env", ...words];
    await terminal.#tmux("-f", "/dev/null", "start-server", ";", ...keepScreen, ";", ...session);
    return terminal;
  }

  /** What is on the screen. */
  async screen(): Promise<string> {
    return this.#tmux("capture-pane", "-p");
  }

  async type(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", text);
  }

  /** @param name as tmux calls it: `Enter`, `C-c`. */
  async press(name: string): Promise<void> {
    await this.#tmux("send-keys", name);
  }

  /** Waits until the screen matches. */
  async shows(pattern: RegExp, deadlineMs = 60_000): Promise<string> {
    const until = performance.now() + deadlineMs;
    for (;;) {
      const screen = await this.screen();
      if (pattern.test(screen)) return screen;
      if (performance.now() > until) throw new Error(`no ${pattern} on the screen:\n${screen}`);
      await delay(pollMs);
    }
  }

  /** The program's exit code, once it has ended. */
  async exitCode(deadlineMs = 60_000): Promise<number> {
    const until = performance.now() + deadlineMs;
    while (performance.now() < until) {
      const state = await this.#tmux("display", "-p", "#{pane_dead} #{pane_dead_status}");
      if (state.startsWith("1 ")) return Number(state.slice(2));
      await delay(pollMs);
    }
    throw new Error(`the program runs on:\n${await this.screen()}`);
  }

  async close(): Promise<void> {
    await this.#tmux("kill-server");
  }

  async #tmux(...words: string[]): Promise<string> {
    const { stdout } = await run("tmux", ["-S", this.#socket, ...words]);
    return stdout;
  }
}
