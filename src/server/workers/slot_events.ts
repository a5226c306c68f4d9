import { checkHandlers } from "../../options/handlers.js";
import type { SlotEvent } from "./worker_slot.js";

/** How the names of handlers begin: those of `WorkersBehaviour`, and the like. */
export type SlotKind = "worker" | "process";

/** Tells what became of a thread, or a process. @param whom what a handler is told first */
export type TellSlotEvent<Whom extends readonly unknown[]> = (event: SlotEvent, ...whom: Whom) => void;

const eventTypes = ["Exit", "Restart", "Failing"] satisfies SlotEvent["type"][];

/** @throws InvalidArgumentError where that is no behaviour whose handlers are of these kinds */
export function checkSlotHandlers(behaviour: object, ...kinds: readonly SlotKind[]): void {
  checkHandlers(
    behaviour,
    kinds.flatMap((kind) => eventTypes.map((type) => `${kind}${type}`)),
  );
}

/**
 * Calls a behaviour's handler for each event. Where it has none, a process warning says what nobody else asked to be told.
 * @param behaviour a checked one. @param nameOf what it happened to, in a warning.
 */
export function slotEvents<Whom extends readonly unknown[]>(
  kind: SlotKind,
  behaviour: object,
  nameOf: (...whom: Whom) => string,
): TellSlotEvent<Whom> {
  const handlers = behaviour as Readonly<Record<string, ((...args: unknown[]) => void) | undefined>>;
  return (event, ...whom) => {
    const name = `${kind}${event.type}`;
    if (handlers[name] !== undefined) handlers[name](...whom, ...detailsOf(event));
    else warnOf(kind, nameOf(...whom), event);
  };
}

function warnOf(kind: SlotKind, name: string, event: SlotEvent): void {
  if (event.type === "Restart") return;
  const what =
    event.type === "Failing"
      ? `${name} ends again and again; the next one is begun in ${event.retryMs} ms`
      : `${name} has ended, and ${event.isReplaced ? "another takes its place" : "not as it was told to"}`;
  const code = `MILLRACE_${kind}_${event.type}`.toUpperCase();
  const { cause } = event;
  const detail =
    cause instanceof Error ? (cause.stack ?? cause.message) : String(cause ?? "it threw nothing");
  process.emitWarning(what, { type: "MillraceWarning", code, detail });
}

function detailsOf(event: SlotEvent): readonly unknown[] {
  if (event.type === "Restart") return [];
  return event.type === "Exit" ? [event.cause] : [event.cause, event.retryMs];
}
