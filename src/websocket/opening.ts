/** What a client asked for when it opened its WebSocket, and was given. */
export interface Opening {
  /** The subprotocol, empty for none. */
  readonly protocol: string;
  /** The page's whose script asked, as its browser says; undefined from what is no browser. */
  readonly origin: string | undefined;
  /** The path with its query. */
  readonly path: string;
}

const maxKnown = 256;
/** A longer one is hardly another's, too. */
const maxKnownLength = 512;

/** The clients of a listener ask for much the same: who does shares one object, so that it costs a connection nothing. */
export class Openings {
  readonly #known = new Map<string, Opening>();
  /** Nearly all ask for what the one before did. */
  #last: Opening | undefined = undefined;

  /** @param origin empty where there is none. */
  of(protocol: string, origin: string, path: string): Opening {
    const last = this.#last;
    const isSame = last?.protocol === protocol && last.path === path && (last.origin ?? "") === origin;
    if (isSame) return last;
    const key = `${protocol} ${origin} ${path}`; // a protocol has no space, nor has a path
    const known = this.#known.get(key);
    if (known !== undefined) {
      this.#last = known;
      return known;
    }
    const opening = { protocol, origin: origin === "" ? undefined : origin, path };
    const isCommon = !path.includes("?") && key.length <= maxKnownLength && this.#known.size < maxKnown;
    if (isCommon) this.#known.set(key, opening);
    return opening;
  }
}
