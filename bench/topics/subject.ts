/**
 * One way to keep subscriptions, measured in a process of its own, which prints one line of JSON. Arguments: which, and
 * how many topics there are to be, each with 10 subscribers.
 */
import { Subscriptions } from "#internal/topic/subscriptions.js";
import { residentBytes } from "../sessions/resident.js";
import type { Book, Figures } from "./figures.js";
import { MapOfSets } from "./map_of_sets.js";

const [name, topicsText] = process.argv.slice(2);
const topics = Number(topicsText);
const subscribersEach = 10;
const audience = 10_000;

class Millrace implements Book {
  readonly #subscriptions = new Subscriptions<number>();

  add(pattern: string, subscriber: number): void {
    this.#subscriptions.add(pattern, subscriber);
  }

  remove(pattern: string, subscriber: number): void {
    this.#subscriptions.remove(pattern, subscriber);
  }

  removeAll(subscriber: number): void {
    this.#subscriptions.removeAll(subscriber);
  }

  walk(subject: string): number {
    let mixed = 0;
    for (const subscriber of this.#subscriptions.match(subject)) mixed ^= subscriber;
    return mixed;
  }
}

const books: Record<string, () => Book> = { millrace: () => new Millrace(), sets: () => new MapOfSets() };
const make = books[name ?? ""];
if (make === undefined) throw new Error(`no such way: ${name}`);

/** Nanoseconds of processors' time, the collector's threads included: what else the machine does is not in it. */
function spent(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1_000;
}

const warmupMs = 500;
const measuredMs = 300;

/**
 * What one call takes, for as long as it takes to tell. What the first calls find, as many of whichever way, is
 * compared.
 */
function nanoseconds(work: (i: number) => number): number {
  for (let i = 0; i < 200; i += 1) checksum = (Math.imul(checksum, 31) + work(i)) | 0;
  run(work, warmupMs); // long enough that it is compiled, even where others keep the machine busy
  const before = spent();
  const count = run(work, measuredMs);
  return (spent() - before) / count;
}

/** @returns how often. */
function run(work: (i: number) => number, durationMs: number): number {
  const end = performance.now() + durationMs;
  let count = 0;
  let mixed = 0;
  for (; performance.now() < end; count += 20) {
    for (let i = 0; i < 20; i += 1) mixed ^= work(count + i);
  }
  if (!Number.isInteger(mixed)) throw new Error("nobody was found");
  return count;
}

/** Of all that were walked: the same, whichever way it is, or one of them is wrong. */
let checksum = 0;

/** A way through all numbers below `count` in which neighbours are far apart. */
const scattered = (i: number, count: number) => (i * 7_919) % count;
const subjectOf = (topic: number) => `room.${topic}.messages`;

function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error("start this with --expose-gc");
  globalThis.gc();
  globalThis.gc();
}

function publishing(): Pick<Figures, "publish" | "publishChurned" | "publishOverlapping"> {
  const book = make!();
  for (let i = 0; i < audience; i += 1) book.add("news.today", i);
  const publish = nanoseconds(() => book.walk("news.today"));
  const publishChurned = nanoseconds((i) => {
    book.removeAll(scattered(i, audience));
    book.add("news.today", scattered(i, audience));
    return book.walk("news.today");
  });
  for (let i = 0; i < 100; i += 1) {
    book.add("news.*", audience - 50 + i);
    book.add(">", audience - 50 + i);
  }
  const publishOverlapping = nanoseconds(() => book.walk("news.today"));
  return { publish, publishChurned, publishOverlapping };
}

/** As many subscribers as topics, each with a few of them. */
function fill(book: Book, each: number): void {
  for (let i = 0; i < topics * each; i += 1) {
    book.add(subjectOf(scattered(i, topics)), Math.floor(i / each));
  }
}

function many(): Pick<Figures, "match" | "add" | "leave" | "bytesPerSubscription"> {
  collectGarbage();
  const before = residentBytes();
  const book = make!();
  const addedFrom = spent();
  fill(book, subscribersEach);
  const add = (spent() - addedFrom) / (topics * subscribersEach);
  collectGarbage();
  const bytesPerSubscription = (residentBytes() - before) / (topics * subscribersEach);
  const subjects = Array.from({ length: 10_000 }, (_, i) => subjectOf(scattered(i, topics)));
  const match = nanoseconds((i) => book.walk(subjects[i % subjects.length]!));
  const leftFrom = spent();
  for (let i = 0; i < topics; i += 1) book.removeAll(i);
  const leave = (spent() - leftFrom) / (topics * subscribersEach);
  return { match, add, leave, bytesPerSubscription };
}

function single(): number {
  collectGarbage();
  const before = residentBytes();
  const book = make!();
  fill(book, 1);
  collectGarbage();
  const bytes = (residentBytes() - before) / topics;
  book.walk(subjectOf(0)); // which keeps it until here
  return bytes;
}

function wild(): number {
  const book = make!();
  const count = Math.min(topics, 10_000);
  for (let i = 0; i < count; i += 1) book.add(`user.${i}.>`, i);
  const subjects = Array.from({ length: count }, (_, i) => `user.${scattered(i, count)}.inbox`);
  return nanoseconds((i) => book.walk(subjects[i % count]!));
}

const figures: Omit<Figures, "checksum"> = {
  bytesPerSingle: single(),
  ...publishing(),
  matchWild: wild(),
  ...many(),
};
console.log(JSON.stringify({ ...figures, checksum } satisfies Figures));
process.exit(0);
