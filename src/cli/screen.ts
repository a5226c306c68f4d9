import { clearLine, cursorTo, type Interface } from "node:readline";
import type { WriteStream } from "node:tty";
import { formatRoundTrip, type Move, type Participant, printable } from "./room_words.js";
import { type Colours, colours, formatTable } from "./terminal.js";

/**
 * Where a chat is shown. On a terminal, what arrives is written above the line that is being typed, which
 * stays as it is. What others wrote is stripped of control characters before it gets here or not: it is
 * stripped again.
 */
export class Screen {
  readonly #output: WriteStream;
  readonly #colours: Colours;
  #input: Interface | undefined = undefined;

  constructor(output: WriteStream) {
    this.#output = output;
    this.#colours = colours(output);
  }

  /** From now on the user types here. */
  attach(input: Interface): void {
    this.#input = input;
    this.prompt();
  }

  detach(): void {
    this.#input = undefined;
    if (this.#output.isTTY) this.#output.write("\n");
  }

  prompt(): void {
    if (this.#output.isTTY) this.#input?.prompt(true);
  }

  /** @param own said here: a terminal shows it already, as it was typed. */
  said({ name, transport, roundTripMs }: Participant, text: string, own: boolean): void {
    if (own && this.#output.isTTY) return;
    const { bold, dim } = this.#colours;
    const how = dim(`(${printable(transport)}, ${formatRoundTrip(roundTripMs)})`);
    this.#write(`${bold(printable(name))} ${how} ${printable(text)}`);
  }

  moved({ who: { name, transport }, how }: Move): void {
    const over = how === "joined" ? ` over ${transport}` : "";
    this.note(`${name} ${how}${over}`);
  }

  roster(participants: readonly Participant[]): void {
    const rows = participants.map(({ name, transport, roundTripMs }) => [
      printable(name),
      printable(transport),
      formatRoundTrip(roundTripMs),
    ]);
    this.#write(formatTable(["name", "transport", "round trip"], rows).trimEnd());
  }

  note(text: string): void {
    this.#write(this.#colours.dim(`* ${printable(text)}`));
  }

  #write(text: string): void {
    if (this.#output.isTTY && this.#input !== undefined) {
      clearLine(this.#output, 0);
      cursorTo(this.#output, 0);
    }
    this.#output.write(`${text}\n`);
    this.prompt();
  }
}
