import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { temporaryFolder } from "./folder.js";
import { until } from "./until.js";

/** What instruments this process is not for tshark. */
const ownEnvironment = { ...process.env, LD_PRELOAD: undefined };

/** Packets of the loopback interface as tshark records them, and what it makes of them. */
export class Capture {
  /** The file; whatever tshark can be told about it is told with `read`. */
  readonly path: string;
  readonly #recorder: ChildProcess;
  readonly #port: number;

  private constructor(path: string, recorder: ChildProcess, port: number) {
    this.path = path;
    this.#recorder = recorder;
    this.#port = port;
  }

  /**
   * Records UDP packets of a port from now on, at the longest until the test ends.
   * @throws an Error with tshark's own words where it may not capture: that needs the right to raw sockets.
   */
  static async start(t: TestContext, port: number): Promise<Capture> {
    const path = join(temporaryFolder(), "capture.pcapng");
    const args = ["-i", "lo", "-f", `udp port ${port}`, "-w", path, "-q"];
    const recorder = spawn("tshark", args, { env: ownEnvironment, stdio: ["ignore", "ignore", "pipe"] });
    t.after(() => recorder.kill("SIGKILL"));
    let said = "";
    recorder.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const ended = once(recorder, "exit").then(([code]) => {
      throw new Error(`tshark ended with ${code} before it captured anything: ${said}`);
    });
    const capture = new Capture(path, recorder, port);
    await Promise.race([ended, capture.#seen("the capture begins")]);
    ended.catch(() => {});
    return capture;
  }

  /** Ends the recording; all that was sent until now is in the file. */
  async stop(): Promise<void> {
    await this.#seen("the capture ends");
    this.#recorder.kill("SIGINT");
    await once(this.#recorder, "exit");
  }

  /** Sends a mark until it is in the file: tshark writes in batches, and says that it captures before it does. */
  async #seen(mark: string): Promise<void> {
    const socket = createSocket("udp4");
    try {
      await until(`tshark records that ${mark}`, () => {
        socket.send(mark, this.#port, "127.0.0.1");
        return existsSync(this.path) && readFileSync(this.path).includes(mark);
      });
    } finally {
      socket.close();
    }
  }

  /** Asks tshark about what was recorded, which it reads as QUIC: one line an answer. */
  async read(...args: string[]): Promise<string[]> {
    const decode = ["-d", `udp.port==${this.#port},quic`];
    const { stdout } = await promisify(execFile)("tshark", ["-r", this.path, ...decode, ...args], {
      env: ownEnvironment,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout.split("\n").filter((line) => line !== "");
  }
}
