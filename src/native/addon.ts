import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { AddonUnavailableError } from "../errors.js";
import type { NativeEnvironmentConstructor } from "./environment.js";
import { currentPlatform, describePlatform, isOlder, type Platform, platformName } from "./platform.js";

/** What every build of the addon exports, whatever else it can do. */
export interface NativeAddon {
  /** The version of the package it was built from. */
  readonly version: string;
  /** The numbers of constants.ts and ring.ts as C++ has them, by group and name. */
  readonly constants: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly Environment: NativeEnvironmentConstructor;
  /** Makes one for so many slots and environments; with 0 slots, attaches to that of another environment, by its id. */
  readonly SessionDirectory: new (
    slotCount: number,
    maxEnvironmentsOrId: number,
  ) => NativeSessionDirectory;
  /** What each thread that verifies frames has done since the process started. */
  threadCounters(): ThreadCounters[];
  /** What the process has open, and how often it woke a JavaScript thread. */
  processCounters(): ProcessCounters;
  /** What QUIC has done for the process: see quic/counters.ts. */
  transportCounters(): Readonly<Record<string, number>>;
  /**
   * Asks the kernel for large pages under so many bytes of memory that nobody has written to yet.
   * @returns where they begin: at such a page where there is room for one, else at a cache line.
   */
  largePagesIn(memory: Uint8Array, bytes: number): number;
  /** Opens a PKCS#12 file; a word says why it does not open. */
  readPkcs12(der: Uint8Array, passphrase: string): Pkcs12Identity | Pkcs12Failure;
  /** Names the calling thread, as `threadCounters` does. */
  currentThreadId(): number;
}

/** What is known of sessions in memory that no script writes: native/session/session_directory.h. */
export interface NativeSessionDirectory {
  id(): number;
  /**
   * A place for this environment: its claim, or 0 when there is none.
   * @param changes one word, counted up whenever another environment has joined or left.
   * @param table all of the session table, where `steal` writes the claim.
   */
  join(wake: () => void, changes: Int32Array, table: Int32Array): number;
  /** Since `join`: what this environment has, as native/session/table_layout.h draws it. Without elements since `leave`. */
  readonly own: Int32Array;
  leave(): void;
  isAlive(claim: number): boolean;
  /** The claims of environments that have joined and not left, by their numbers. */
  living(): number[];
  /** The claims of environments that have ended and are not buried. */
  ended(): number[];
  bury(claim: number): void;
  wake(environment: number): boolean;
  /** The generation of the session that may live in the slot now; 0 when some environment has the slot. */
  bind(slot: number): number;
  unbind(slot: number, generation: number): boolean;
  /** A slot that some environment keeps, bound to this one: the session's handle, or 0 for none. */
  steal(): number;
  isHeld(slot: number): boolean;
  heldCount(): number;
  boundGeneration(slot: number): number;
  lastGeneration(slot: number): number;
  ownerOf(slot: number, generation: number): number;
  /**
   * `id` is four words.
   * @param keeps only where it names no session that lives.
   * @returns the handle that it named until now, or 0.
   */
  assign(kind: number, id: Uint32Array, handle: number, keeps: boolean): number;
  /** 0 for none. */
  find(kind: number, id: Uint32Array): number;
  erase(kind: number, id: Uint32Array, handle: number): boolean;
  indexSize(): number;
}

/** What a PKCS#12 file held. */
export interface Pkcs12Identity {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

export type Pkcs12Failure = "unreadable" | "wrongPassphrase" | "unsupported" | "incomplete";

/** One thread's work. */
export interface ThreadCounters {
  readonly threadId: number;
  readonly verifiedFrames: number;
  readonly verifiedBytes: number;
}

/** Of the whole process, whichever thread asks. */
export interface ProcessCounters {
  /** Native connections: one counts until JavaScript and msquic have both let go of it. */
  readonly connections: number;
  /** The same for streams of raw connections. */
  readonly streams: number;
  /** Streams that framed connections have open for their lanes, in both directions. */
  readonly laneStreams: number;
  readonly wakes: number;
  /** Sends that raw connections have given to msquic: of a stream, or of a datagram. */
  readonly sends: number;
  /** Bytes copied into buffers that msquic sends from; what is published to many is copied once. */
  readonly copiedBytes: number;
}

/** Where to look: the process's own surroundings, but for tests. */
export interface AddonSearch {
  /** The directory that holds package.json. */
  readonly root: string;
  /** A file to use instead of all others: the value of MILLRACE_ADDON. */
  readonly override: string | undefined;
  platform(): Platform;
}

/** One place that was looked at, and why nothing came of it. */
interface Miss {
  readonly place: string;
  readonly reason: string;
}

/** The parts of package.json that the search needs. */
interface Manifest {
  readonly version: string;
  /** The platform packages; only published packages name them. */
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The glibc that a binary built on Debian 12 needs: static libgcc calls `_dl_find_object`. */
const requiredGlibc = "2.35";

let loaded: NativeAddon | undefined;

/**
 * The native addon, loaded at the first call: importing millrace loads nothing.
 * @throws AddonUnavailableError, which names the platform, everything that was looked for, and what to do.
 */
export function loadAddon(): NativeAddon {
  loaded ??= findAddon({
    root: fileURLToPath(new URL("../..", import.meta.url)),
    override: process.env.MILLRACE_ADDON || undefined,
    platform: currentPlatform,
  });
  return loaded;
}

/**
 * Looks for the addon: the override alone where there is one; else the development build, then the
 * platform's package. Nothing is cached.
 * @throws AddonUnavailableError
 */
export function findAddon(search: AddonSearch): NativeAddon {
  const manifest = JSON.parse(readFileSync(join(search.root, "package.json"), "utf8")) as Manifest;
  const require = createRequire(join(search.root, "package.json"));
  const misses: Miss[] = [];
  const attempt = (place: string, file: string | undefined): NativeAddon | undefined => {
    try {
      if (file === undefined) throw new Error("not installed");
      if (!existsSync(file)) throw new Error("no such file");
      return checkVersion(require(file), manifest.version);
    } catch (error) {
      misses.push({ place, reason: firstLine(error) });
      return undefined;
    }
  };

  if (search.override !== undefined) {
    const file = resolve(search.override);
    const addon = attempt(`MILLRACE_ADDON=${file}`, file);
    if (addon !== undefined) return addon;
    throw unavailable(search.platform(), manifest, misses, "Correct or unset MILLRACE_ADDON.");
  }
  const built = join(search.root, "build", "cmake", "millrace.node");
  const addon = attempt(built, built);
  if (addon !== undefined) return addon;

  const platform = search.platform();
  const packageName = `@millrace/${platformName(platform)}`;
  const installed = resolvePackage(require, packageName);
  const prebuilt = attempt(installed ?? packageName, installed);
  if (prebuilt !== undefined) return prebuilt;
  throw unavailable(platform, manifest, misses, adviceFor(platform, manifest, packageName, installed));
}

function checkVersion(addon: Partial<NativeAddon>, wanted: string): NativeAddon {
  if (addon.version === wanted) return addon as NativeAddon;
  const found = typeof addon.version === "string" ? `millrace ${addon.version}` : "something else";
  throw new Error(`wrong build: it was built for ${found}, this is millrace ${wanted}`);
}

function resolvePackage(require: NodeJS.Require, name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}

function adviceFor(
  platform: Platform,
  manifest: Manifest,
  packageName: string,
  installed: string | undefined,
): string {
  if (platform.libcVersion !== undefined && isOlder(platform.libcVersion, requiredGlibc)) {
    return (
      `This system's glibc ${platform.libcVersion} is older than the ${requiredGlibc} that the binary needs: ` +
      "use a newer system, or build the addon on this one (see CONTRIBUTING.md) and set MILLRACE_ADDON to it."
    );
  }
  const published = manifest.optionalDependencies;
  if (published === undefined) return "Build it: npm run setup.";
  if (!(packageName in published)) {
    return (
      `There is no binary for this platform, only for ${Object.keys(published).join(", ")}: ` +
      "build the addon (see CONTRIBUTING.md) and set MILLRACE_ADDON to it."
    );
  }
  if (installed !== undefined) {
    return `Install millrace ${manifest.version} and its ${packageName} again, on the machine that runs it.`;
  }
  return (
    `Run npm install ${packageName}@${manifest.version}; where --omit=optional or a node_modules ` +
    "copied from another platform left it out, install without the one or on this machine."
  );
}

function unavailable(
  platform: Platform,
  manifest: Manifest,
  misses: readonly Miss[],
  advice: string,
): AddonUnavailableError {
  const looked = misses.map(({ place, reason }) => `  ${place}: ${reason}`).join("\n");
  return new AddonUnavailableError(
    `millrace ${manifest.version} finds no native addon, which QUIC needs, for ${describePlatform(platform)}.\n` +
      `Looked for:\n${looked}\n${advice}\nEverything but QUIC works without it.`,
  );
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n", 1)[0] ?? message;
}
