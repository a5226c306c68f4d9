import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { FrameContents } from "#internal/frame/frame.js";

/** A frame in the words of the programs: bytes are hexadecimal. */
export interface Described {
  readonly kind: number;
  readonly flags: number;
  readonly channel: number;
  readonly type: number;
  readonly seq: number;
  readonly ref: number;
  readonly payload: string;
  readonly subject?: string;
  readonly meta?: readonly (readonly [key: string, value: string])[];
}

const root = join(import.meta.dirname, "../../../..");
const compat = join(root, "build/compat");

/** How each language's program is started; scripts/setup/flatbuffers.mjs makes them. */
export const programs: Readonly<Record<string, readonly string[]>> = {
  Python: [join(compat, "python/bin/python"), join(root, "test/frame/compat/python/main.py")],
  Go: [join(compat, "go")],
};

/** The FlatBuffers runtime of another language: it writes and reads frames by code that flatc made of our schema. */
export class Runtime {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor([command, ...args]: readonly string[]) {
    this.#child = spawn(command!, args);
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  async write(contents: Described): Promise<Uint8Array> {
    const { frame } = (await this.#ask({ write: contents })) as { frame: string };
    return Buffer.from(frame, "hex");
  }

  async read(frame: Uint8Array): Promise<Described> {
    return (await this.#ask({ read: Buffer.from(frame).toString("hex") })) as Described;
  }

  async end(): Promise<void> {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, "exit");
  }

  async #ask(command: object): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the program ended before it answered");
    return JSON.parse(value);
  }
}

/** A frame of ours in the programs' words. Metadata of no entries is none: Go's accessors do not tell them apart. */
export function describeFrame(frame: Readonly<FrameContents>): Described {
  const { kind, flags, channel, type, seq, ref, payload, subject, meta } = frame;
  return {
    ...{ kind, flags, channel, type, seq, ref, payload: hex(payload) },
    ...(subject !== undefined && { subject }),
    ...(meta !== undefined && meta.length > 0 && { meta: meta.map(({ key, value }) => [key, hex(value)]) }),
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
