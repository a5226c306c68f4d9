import { RejectCode } from "../delivery/reject.js";
import { InternalError } from "../errors.js";
import { addressKey } from "../limit/address_key.js";
import { AddressLimits } from "../limit/address_limits.js";
import { CloseCode } from "../transport/close.js";
import type { ServerCore } from "./core.js";
import { comeAgainMs, type Refusal, refuse, refuseFault, refuseFull } from "./refusal.js";
import type { ServerSession } from "./server_session.js";
import { idWordsOf } from "./session_id.js";

/** Whether one more session may begin: of its address, of its client, and of a server that may be about to stop. */
export class SessionAdmission<Data> {
  readonly #core: ServerCore<Data>;
  readonly #addresses: AddressLimits;

  constructor(core: ServerCore<Data>) {
    this.#core = core;
    this.#addresses = new AddressLimits({ maxPerAddress: core.options.limits.sessionsPerAddress });
  }

  /** The server has other options. */
  update(): void {
    const { options, clock } = this.#core;
    this.#addresses.update({ maxPerAddress: options.limits.sessionsPerAddress }, clock.tick);
  }

  /** Why a new session of this client is not begun; undefined where it is. */
  refuses(address: string, clientId: string | undefined): Refusal | undefined {
    const { options, isClosing, registry } = this.#core;
    const most = options.limits.sessionsPerAddress;
    const isFull = most !== undefined && this.#addresses.count(address) >= most;
    if (isFull && this.#addresses.count(address) - this.#replacedAt(address, clientId) >= most) {
      return addressFull();
    }
    if (isClosing) {
      return refuse("the server stops", { code: RejectCode.goingAway, retryAfterMs: comeAgainMs });
    }
    const isTaken = options.sameClient === "reject" && clientId !== undefined && registry.isTaken(clientId);
    return isTaken ? taken() : undefined;
  }

  /** How many sessions of an address a new one of a client puts an end to. */
  #replacedAt(address: string, clientId: string | undefined): number {
    const { options, registry } = this.#core;
    if (options.sameClient !== "replace" || clientId === undefined) return 0;
    const key = addressKey(address);
    return registry.ofClient(clientId).filter((old) => addressKey(old.address) === key).length;
  }

  /** Enters a session whose client has committed. @returns why not, where things have changed since it was welcomed. */
  admit(session: ServerSession<Data>, address: string): Refusal | undefined {
    const { options, registry, clock, elsewhere, counters } = this.#core;
    const { clientId, handle } = session;
    // What was true when it was welcomed may be so no more.
    const refusal = this.refuses(address, clientId);
    if (refusal !== undefined) return refusal;
    if (options.sameClient === "replace" && clientId !== undefined) {
      for (const old of [...registry.ofClient(clientId)]) {
        old.endBy("replaced", CloseCode.superseded, "its client connected again", false);
      }
    }
    if (this.#addresses.admit(address, clock.tick) !== undefined) return addressFull();
    if (options.sameClient === "reject" && clientId !== undefined && !registry.reserve(clientId, handle)) {
      this.leave(address);
      return taken();
    }
    if (!this.#open(session)) {
      this.leave(address);
      if (clientId !== undefined) registry.giveBack(clientId, handle);
      return refuseFault();
    }
    const known = registry.add(session);
    // Of several threads at once each displaces the one before it, so one session remains.
    if (known !== undefined && options.sameClient === "replace") elsewhere.replace(known);
    counters.opened += 1;
    return undefined;
  }

  #open({ handle, id }: ServerSession<Data>): boolean {
    const { sessions, clock, handlers } = this.#core;
    const isOpen = sessions.open(handle, { transport: 0, connection: 0, id: idWordsOf(id) }, clock.tick);
    if (!isOpen) {
      handlers.report(undefined, new InternalError("a session's slot was damaged before it began"));
    }
    return isOpen;
  }

  /**
   * A session goes on from another address. Who is let in already is not turned away for that.
   * @returns whether it counts there: where it is one too many, it does not.
   */
  move(before: string, address: string): boolean {
    this.leave(before);
    return this.#addresses.admit(address, this.#core.clock.tick) === undefined;
  }

  /** A session of an address is over. */
  leave(address: string): void {
    this.#addresses.leave(address);
  }
}

function addressFull(): Refusal {
  return refuseFull("there are as many sessions of this address as may be");
}

function taken(): Refusal {
  return refuse("the client id has a session already", { code: RejectCode.clientIdTaken });
}
