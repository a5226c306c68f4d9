/** The events of a WebSocket (WHATWG's standard of that name, section 5). */
export interface WebSocketEvents {
  readonly open: Event;
  readonly message: MessageEvent;
  readonly error: Event;
  readonly close: SocketCloseEvent;
}

/** The end of a WebSocket. Its fields are a `CloseEvent`'s, a class that Node.js has from version 23 on only. */
export interface SocketCloseEvent extends Event {
  /** Both sides know of it. */
  readonly wasClean: boolean;
  readonly code: number;
  readonly reason: string;
}

/** A handler that stands in a property: `socket.onopen = …`. */
export type EventAttribute<Name extends keyof WebSocketEvents> =
  | ((event: WebSocketEvents[Name]) => unknown)
  | null;

export interface CloseEventFields {
  readonly wasClean: boolean;
  readonly code: number;
  readonly reason: string;
}

/** The runtime's own class where it has one, so that `instanceof` holds. */
export function closeEvent(fields: CloseEventFields): SocketCloseEvent {
  const { CloseEvent } = globalThis as unknown as {
    readonly CloseEvent?: new (type: string, fields: CloseEventFields) => SocketCloseEvent;
  };
  return CloseEvent === undefined ? new OwnCloseEvent(fields) : new CloseEvent("close", fields);
}

class OwnCloseEvent extends Event implements SocketCloseEvent {
  readonly wasClean: boolean;
  readonly code: number;
  readonly reason: string;

  constructor({ wasClean, code, reason }: CloseEventFields) {
    super("close");
    this.wasClean = wasClean;
    this.code = code;
    this.reason = reason;
  }
}

/** An `EventTarget` whose handlers may stand in properties, too. */
export class SocketEvents extends EventTarget {
  readonly #attributes = new Map<string, unknown>();

  /** Takes the one `open` event; null where nothing does. */
  get onopen(): EventAttribute<"open"> {
    return this.#attribute("open");
  }

  /** In place of what took it before. */
  set onopen(handler: EventAttribute<"open">) {
    this.#setAttribute("open", handler);
  }

  /** Takes messages; null where nothing does. */
  get onmessage(): EventAttribute<"message"> {
    return this.#attribute("message");
  }

  /** In place of what took it before. */
  set onmessage(handler: EventAttribute<"message">) {
    this.#setAttribute("message", handler);
  }

  /** Takes the `error` event that is before a close that is not clean; null where nothing does. */
  get onerror(): EventAttribute<"error"> {
    return this.#attribute("error");
  }

  /** In place of what took it before. */
  set onerror(handler: EventAttribute<"error">) {
    this.#setAttribute("error", handler);
  }

  /** Takes the one `close` event, the last of all; null where nothing does. */
  get onclose(): EventAttribute<"close"> {
    return this.#attribute("close");
  }

  /** In place of what took it before. */
  set onclose(handler: EventAttribute<"close">) {
    this.#setAttribute("close", handler);
  }

  #attribute<Name extends keyof WebSocketEvents>(name: Name): EventAttribute<Name> {
    return (this.#attributes.get(name) ?? null) as EventAttribute<Name>;
  }

  /** It keeps the place among the listeners that it was given first (HTML, section 8.1.8.1). */
  #setAttribute(name: keyof WebSocketEvents, handler: unknown): void {
    const isNew = !this.#attributes.has(name);
    this.#attributes.set(name, typeof handler === "function" ? handler : null);
    if (!isNew) return;
    this.addEventListener(name, (event) => {
      const current = this.#attributes.get(name);
      if (typeof current === "function") current.call(this, event);
    });
  }
}
