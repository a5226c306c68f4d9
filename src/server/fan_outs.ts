import type { SessionCompression } from "../delivery/compression.js";
import { FanOut } from "../frame/fan_out.js";

/** Whom one publication goes to, together with those who compress as they do: it is compressed once for all of them. */
export class FanOuts {
  #plain: FanOut | undefined = undefined;
  #compressed: Map<SessionCompression, FanOut> | undefined = undefined;

  /** Those who compress so; undefined: not at all. */
  of(compression: SessionCompression | undefined): FanOut {
    if (compression === undefined) {
      this.#plain ??= new FanOut();
      return this.#plain;
    }
    this.#compressed ??= new Map();
    let fanOut = this.#compressed.get(compression);
    if (fanOut === undefined) {
      fanOut = new FanOut();
      this.#compressed.set(compression, fanOut);
    }
    return fanOut;
  }

  *[Symbol.iterator](): Generator<readonly [SessionCompression | undefined, FanOut]> {
    if (this.#plain !== undefined) yield [undefined, this.#plain];
    if (this.#compressed !== undefined) yield* this.#compressed;
  }
}
