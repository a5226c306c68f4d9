import type { Message } from "../delivery/message.js";
import { pauses } from "./port.js";

/** Says of messages that they are taken, in their order; later, where the session's queue has no room for that now. */
export class Confirmations {
  readonly #waiting: { readonly message: Message; readonly told: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined = undefined;
  #pauses = pauses();

  /** @param told called when it is said. */
  tell(message: Message, told: () => void): void {
    this.#waiting.push({ message, told });
    this.#goOn();
  }

  /** Says no more. @returns those of which it was not said. */
  stop(): Message[] {
    clearTimeout(this.#timer);
    return this.#waiting.splice(0).map(({ message }) => message);
  }

  #goOn(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!first.message.confirm("delivered")) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#goOn(), this.#pauses.next().value);
        return;
      }
      this.#waiting.shift();
      first.told();
    }
    this.#pauses = pauses();
  }
}
