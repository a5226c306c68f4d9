import { fnv1a, fnv1aBegin, mixed } from "./home_of.js";

/** Of each environment; a power of two. */
const bitCount = 2 ** 18;
const wordsEach = bitCount / 32;
/** How many words are looked at in one turn of the clock, so that all are within a second. */
const wordsPerTurn = 512;

/** For `Group.interests`. */
export function createInterests(environments: number): SharedArrayBuffer {
  return new SharedArrayBuffer(environments * wordsEach * Int32Array.BYTES_PER_ELEMENT);
}

/**
 * What environments want of what is published, in memory that all of them read: a home gives a message to those alone who
 * may want it. Each has a set of bits: one for every subject that it knows something of, and one for what each pattern
 * begins with that somebody there subscribes to, or that something is kept of. Different texts may share a bit, so now and
 * then something comes that nobody wants.
 *
 * Who wants something says so before it asks where that is, and as long as it knows of it: so whoever misses a message
 * knows of none before it, or sees by the next one's sequence that it is missing.
 */
export class Interests {
  readonly #words: Int32Array;
  readonly #first: number;
  /** What this environment wants: how often each bit was asked for, and what is to stand in the shared memory. */
  readonly #counts = new Uint32Array(bitCount);
  readonly #own = new Int32Array(wordsEach);
  #nextHealed = 0;

  constructor(shared: SharedArrayBuffer, environment: number) {
    this.#words = new Int32Array(shared);
    this.#first = environment * wordsEach;
    this.#words.fill(0, this.#first, this.#first + wordsEach); // what one by that number wanted before
  }

  /** Messages of a subject, or of all that match a pattern, are wanted here. @param pattern a sound one */
  add(pattern: string): void {
    const bit = bitOf(pattern);
    this.#counts[bit]! += 1;
    if (this.#counts[bit] === 1) this.#write(bit >>> 5, this.#own[bit >>> 5]! | (1 << (bit & 31)));
  }

  /** The opposite, as often as that. */
  remove(pattern: string): void {
    const bit = bitOf(pattern);
    this.#counts[bit]! -= 1;
    if (this.#counts[bit] === 0) this.#write(bit >>> 5, this.#own[bit >>> 5]! & ~(1 << (bit & 31)));
  }

  /** Those of some environments who may want what is published to a subject. */
  among(members: readonly number[], subject: string): number[] {
    const bits = bitsOf(subject);
    return members.filter((member) => bits.some((bit) => this.#has(member, bit)));
  }

  /** Puts right a part of what another thread has written over. */
  heal(): void {
    for (let left = wordsPerTurn; left > 0; left -= 1) {
      const word = this.#nextHealed;
      this.#nextHealed = (word + 1) % wordsEach;
      const own = this.#own[word]!;
      if (this.#words[this.#first + word] !== own) this.#write(word, own);
    }
  }

  #write(word: number, value: number): void {
    this.#own[word] = value;
    Atomics.store(this.#words, this.#first + word, value);
  }

  #has(member: number, bit: number): boolean {
    const word = Atomics.load(this.#words, member * wordsEach + (bit >>> 5));
    return ((word >>> (bit & 31)) & 1) === 1;
  }
}

/** Of a subject by all of it, of a pattern by what stands before its first wildcard: "room." of "room.*". */
function bitOf(pattern: string): number {
  const wildcard = pattern.search(/[*>]/);
  return placeOf(fnv1a(wildcard < 0 ? pattern : pattern.slice(0, wildcard)));
}

/** Of a subject, and of all that patterns begin with that match it: "", "room.", "room.1". */
function bitsOf(subject: string): number[] {
  let hash = fnv1aBegin;
  const bits = [placeOf(hash)];
  let from = 0;
  for (let dot = subject.indexOf("."); dot >= 0; dot = subject.indexOf(".", from)) {
    hash = fnv1a(subject.slice(from, dot + 1), hash);
    from = dot + 1;
    bits.push(placeOf(hash));
  }
  bits.push(placeOf(fnv1a(subject.slice(from), hash)));
  return bits;
}

function placeOf(hash: number): number {
  return mixed(hash) & (bitCount - 1);
}
