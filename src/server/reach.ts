import { FailureCode, type Reply } from "../delivery/failure.js";
import { payloadOf } from "../delivery/payload.js";
import type { RequestOptions, SendOptions } from "../delivery/send_options.js";
import { parseId } from "../delivery/session_id.js";
import { InvalidArgumentError } from "../errors.js";
import { show } from "../options/read.js";
import { CloseCode, type CloseOptions } from "../transport/close.js";
import type { SendResult } from "../transport/connection.js";
import type { ServerCore } from "./core.js";
import type { Target } from "./server.js";
import type { ServerSession } from "./server_session.js";
import type { Found } from "./threads/elsewhere.js";

const nothing = new Uint8Array(0);

/** Whom a server reaches, in this thread and in others: its own sessions itself, all others by the threads that have them. */
export class Reach<Data> {
  readonly #core: ServerCore<Data>;

  constructor(core: ServerCore<Data>) {
    this.#core = core;
  }

  sendTo(target: Target<Data>, message: Uint8Array | string, options?: SendOptions): SendResult | "gone" {
    checkTarget(target);
    const results: (SendResult | "gone")[] = this.named(target).map((session) =>
      session.send(message, options),
    );
    const { elsewhere } = this.#core;
    const found = results.length === 0 || this.#mayBeSeveral(target) ? this.#found(target) : undefined;
    if (this.#mayBeSeveral(target) && (found !== undefined || results.length > 0)) {
      results.push(elsewhere.sendToClient(target.clientId, payloadOf(message, "a message"), options));
    } else if (found !== undefined) {
      results.push(elsewhere.send(found, payloadOf(message, "a message"), options));
    }
    return (["dropped", "blocked", "sent"] as const).find((worst) => results.includes(worst)) ?? "gone";
  }

  async request(
    target: Target<Data>,
    subject: string,
    payload: Uint8Array | string = nothing,
    options?: RequestOptions,
  ): Promise<Reply> {
    checkTarget(target);
    const own = this.named(target).at(-1);
    if (own !== undefined) return own.request(subject, payload, options);
    const found = this.#found(target);
    if (found === undefined) {
      return { status: "failure", code: FailureCode.lost, reason: "there is no such session" };
    }
    const bytes = payloadOf(payload, "a request's payload");
    return this.#core.elsewhere.request(found, subject, bytes, options);
  }

  broadcast(message: Uint8Array | string, options: SendOptions = {}): number {
    let handed = 0;
    for (const session of this.#core.registry) {
      if (!session.isClosing && session.send(message, options) !== "dropped") handed += 1;
    }
    return handed + this.#core.elsewhere.broadcast(payloadOf(message, "a message"), options);
  }

  close(id: string, options: CloseOptions = {}): boolean {
    const bytes = parseId(id);
    const own = bytes && this.#core.registry.byId(bytes);
    own?.close(options);
    const found = own === undefined ? this.#core.elsewhere.session(id) : undefined;
    if (found !== undefined) this.#core.elsewhere.close(found, options);
    return own !== undefined || found !== undefined;
  }

  revoke(clientId: string, reason: string): number {
    if (typeof clientId !== "string") {
      throw new InvalidArgumentError(`a client id must be text, and not ${show(clientId)}`);
    }
    const { elsewhere, registry } = this.#core;
    const other = elsewhere.client(clientId) === undefined ? 0 : 1;
    elsewhere.revoke(clientId, reason);
    const sessions = [...registry.ofClient(clientId)];
    for (const session of sessions) session.endBy("local", CloseCode.unauthenticated, reason, false);
    return sessions.length + other;
  }

  /** The sessions of this thread that a target names. */
  named(target: Target<Data>): readonly ServerSession<Data>[] {
    const { registry } = this.#core;
    if (isClient(target)) {
      return [...registry.ofClient(target.clientId)].filter((session) => !session.isClosing);
    }
    const bytes = parseId(idOf(target));
    const session = bytes && registry.byId(bytes);
    return session === undefined || session.isClosing ? [] : [session];
  }

  #found(target: Target<Data>): Found | undefined {
    const { elsewhere } = this.#core;
    return isClient(target) ? elsewhere.client(target.clientId) : elsewhere.session(idOf(target));
  }

  /** A client id that may have sessions in several threads. */
  #mayBeSeveral(target: Target<Data>): target is { readonly clientId: string } {
    const { options, peers } = this.#core;
    return isClient(target) && options.sameClient === "allow" && peers.others.length > 0;
  }
}

/** @throws InvalidArgumentError for what names nobody, and never could */
function checkTarget(target: unknown): void {
  const { id, clientId } = (typeof target === "object" && target !== null ? target : {}) as {
    readonly id?: unknown;
    readonly clientId?: unknown;
  };
  if ([target, id ?? clientId].some((name) => typeof name === "string")) return;
  throw new InvalidArgumentError(
    `a target must be a session, its id, or {clientId}, and not ${nameOf(target, clientId)}`,
  );
}

function nameOf(target: unknown, clientId: unknown): string {
  if (clientId !== undefined) return `{clientId: ${show(clientId)}}`;
  const names = typeof target === "object" && target !== null ? Object.keys(target).join(", ") : "";
  return names === "" ? show(target) : `an object with ${show(names)}`;
}

function isClient<Data>(target: Target<Data>): target is { readonly clientId: string } {
  return typeof target === "object" && "clientId" in target && !("id" in target);
}

function idOf<Data>(target: Exclude<Target<Data>, { readonly clientId: string }> | Target<Data>): string {
  return typeof target === "string" ? target : (target as { readonly id: string }).id;
}
