import { createHash } from "node:crypto";
import type * as v from "valibot";
import { flag, object, optional, withDefault } from "../../options/schema.js";
import type { ClientCredential } from "../../transport/credential.js";
import { checkEarlyTrust, type TicketStore, ticketStore } from "../../transport/early_data.js";
import { throwIfAborted, type WaitOptions, within } from "../../transport/wait.js";
import { MemoryTicketStore } from "./ticket_store.js";

/** Lets a connection resume the session of an earlier one to the same server, with the ticket it gave. */
export interface ClientResumptionOptions {
  /** Where tickets are kept: by default in this thread's memory, the latest 1,024. A ticket is used once. */
  readonly store?: TicketStore | undefined;
  /**
   * Sends with the first packets (0-RTT, RFC 9001 section 4.6) what is written to streams opened as `idempotent`.
   * Default false. Where there is a ticket, `connect` then resolves before anything was sent: open such streams and
   * write to them at once, before awaiting anything else. All other streams wait for the handshake, which `opened`
   * tells of. What the server refuses is sent again after the handshake, before its key is compared: so it excludes `tls.pins`.
   */
  readonly earlyData?: boolean | undefined;
}

const schema = object({
  store: ticketStore,
  earlyData: withDefault(flag, false),
} satisfies Record<keyof ClientResumptionOptions, unknown>);

export const clientResumptionOption = optional(schema);

/** Options with every default filled in. */
export type ReadClientResumption = v.InferOutput<typeof schema>;

const sharedStore = new MemoryTicketStore();

/** A ticket, and the address of the server that gave it. */
export interface StoredTicket {
  readonly address: string;
  readonly ticket: Uint8Array;
}

/**
 * The tickets of one server. What lies under its key was earned with the same credential: resuming skips
 * the certificates of both.
 */
export class ServerTickets {
  readonly earlyData: boolean;
  readonly #store: TicketStore;
  readonly #key: string;

  /** @throws InvalidArgumentError */
  constructor(
    options: ReadClientResumption,
    server: { readonly host: string; readonly port: number; readonly alpns: readonly string[] },
    credential: ClientCredential,
  ) {
    if (options.earlyData) checkEarlyTrust(credential);
    this.earlyData = options.earlyData;
    this.#store = options.store ?? sharedStore;
    const trusted = createHash("sha256").update(JSON.stringify(credential)).digest("base64url");
    this.#key = [
      `${server.host}:${server.port}`,
      credential.serverName,
      server.alpns.join(","),
      trusted,
    ].join(" ");
  }

  /**
   * Takes the ticket out of the store. Undefined where there is none that is good, or not in time.
   * @throws AbortedError
   */
  async take(wait: WaitOptions): Promise<StoredTicket | undefined> {
    const { before, release } = lock(this.#store);
    try {
      return await within(this.#take(before), "connecting", wait);
    } catch {
      throwIfAborted("connecting", wait.signal);
      return undefined; // a full handshake
    } finally {
      release();
    }
  }

  async #take(before: Promise<void> | undefined): Promise<StoredTicket | undefined> {
    await before;
    const stored = await this.#store.get(this.#key);
    if (stored === undefined) return undefined;
    await this.#store.delete(this.#key);
    return unpack(stored);
  }

  /** Keeps a ticket of the server. @param lifetimeS as the server says, 0 where it does not. */
  async keep(address: string, ticket: Uint8Array, lifetimeS: number): Promise<void> {
    const seconds = lifetimeS === 0 ? MAX_LIFETIME_S : Math.min(lifetimeS, MAX_LIFETIME_S);
    const expiresAt = Date.now() + seconds * 1_000;
    try {
      await this.#store.set(this.#key, pack(address, ticket, expiresAt), expiresAt);
    } catch {
      // a full handshake next time
    }
  }
}

/** RFC 8446 section 4.6.1: seven days at the most. */
const MAX_LIFETIME_S = 604_800;

/**
 * What is stored: u8 version, u8 length of the address, f64 milliseconds since 1970, the address, the ticket, and the
 * first bytes of the hash of all that. A store may damage what it keeps; nobody but its owner writes to it.
 */
const VERSION = 1;
const HEADER_BYTES = 10;
const HASH_BYTES = 16;

function pack(address: string, ticket: Uint8Array, expiresAt: number): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES);
  const name = Buffer.from(address);
  header[0] = VERSION;
  header[1] = name.length;
  header.writeDoubleLE(expiresAt, 2);
  const content = Buffer.concat([header, name, ticket]);
  return Buffer.concat([content, hashOf(content)]);
}

function unpack(stored: unknown): StoredTicket | undefined {
  if (!(stored instanceof Uint8Array) || stored.length < HEADER_BYTES + HASH_BYTES) return undefined;
  const content = Buffer.from(stored.subarray(0, -HASH_BYTES));
  if (content[0] !== VERSION || !hashOf(content).equals(stored.subarray(-HASH_BYTES))) return undefined;
  if (content.readDoubleLE(2) <= Date.now()) return undefined;
  const end = HEADER_BYTES + content[1]!;
  return { address: content.toString("utf8", HEADER_BYTES, end), ticket: content.subarray(end) };
}

function hashOf(content: Uint8Array): Buffer {
  return createHash("sha256").update(content).digest().subarray(0, HASH_BYTES);
}

// Two connect calls may not get the same ticket, although a store's get and delete are apart.
const locks = new WeakMap<TicketStore, Promise<void>>();

/** Who releases before its turn has come lets the next one in no earlier. */
function lock(store: TicketStore): { before: Promise<void> | undefined; release: () => void } {
  const before = locks.get(store);
  let release!: () => void;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  locks.set(store, before === undefined ? released : before.then(() => released));
  return { before, release };
}
