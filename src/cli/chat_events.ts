import type { RoomEvents } from "./room_client.js";
import type { Entrance, Line, Move, Participant } from "./room_words.js";
import type { Screen } from "./screen.js";

/** What a chat in a terminal does with what the room tells it: it shows it. */
export class ChatEvents implements RoomEvents {
  /** Resolves at the end, with its cause where it was not ours. */
  readonly ended: Promise<Error | undefined>;
  isOver = false;
  participants: readonly Participant[] = [];
  linesPerSecond = 1;
  readonly #screen: Screen;
  #end!: (cause: Error | undefined) => void;

  constructor(screen: Screen) {
    this.#screen = screen;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  entered({ you, linesPerSecond }: Entrance): void {
    this.linesPerSecond = linesPerSecond;
    this.#screen.note(`you are ${you.name}, over ${you.transport}; /who, /quit`);
  }

  said({ from, text }: Line, own: boolean): void {
    this.#screen.said(from, text, own);
  }

  moved(move: Move, own: boolean): void {
    if (!own) this.#screen.moved(move);
  }

  roster(participants: readonly Participant[]): void {
    this.participants = participants;
  }

  missed(): void {
    this.#screen.note("lines were missed here");
  }

  leaving(): void {
    this.#screen.note("the room is about to stop");
  }

  lost(): void {
    this.#screen.note("connection lost, trying again…");
  }

  back(): void {
    this.#screen.note("connected again");
  }

  over(cause: Error | undefined): void {
    this.isOver = true;
    this.#end(cause);
  }
}
