import { EventKind } from "../native/constants.js";
import type { Engine } from "../native/engine.js";
import type { RingReader } from "../native/ring.js";
import { CloseCode } from "../transport/close.js";
import { EngineConnection } from "./engine_connection.js";

/** A connection whose peer is not admitted: it is closed as soon as it is there, and nobody hears of it. */
export class RefusedConnection extends EngineConnection {
  readonly #onEnd: () => void;

  constructor(engine: Engine, slot: number, generation: number, onEnd: () => void) {
    super(engine, slot, generation);
    this.#onEnd = onEnd;
  }

  /** Its only event before its end. */
  accepted(): void {
    this.#onEnd(); // the listener does not count it
    this.close({ code: CloseCode.exhausted, reason: "no room now", graceful: false });
  }

  onEvent(record: RingReader): void {
    if (record.kind !== EventKind.connectionClosed) return;
    this.onClosed(record);
    this.engine.release(this);
  }

  protected override peerError(): undefined {
    return undefined;
  }
}
