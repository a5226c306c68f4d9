import { setImmediate as nextTurn } from "node:timers/promises";
import { encodeGoAway } from "../delivery/goaway.js";
import { targetOption } from "../delivery/target.js";
import { sendFrame } from "../frame/unit.js";
import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import { flag, integer, object, optional, withDefault } from "../options/schema.js";
import { CloseCode } from "../transport/close.js";
import type { TransportConnection } from "../transport/connection.js";
import type { ServerCore } from "./core.js";
import type { SessionFrames } from "./session_frames.js";

/** How a server ends. */
export interface ShutdownOptions {
  /** Tell clients, finish what is in flight and send what is queued first (the default); false drops it. */
  readonly graceful?: boolean | undefined;
  /** How long that may take; 10,000 ms by default. */
  readonly deadlineMs?: number | undefined;
  /** Where clients are to take their sessions up again; a URL. Left out, they use those that they know. */
  readonly target?: string | undefined;
  /** Clients come back at random times in so long, each told its own; 5,000 ms by default. */
  readonly spreadMs?: number | undefined;
}

const schema = object({
  graceful: withDefault(flag, true),
  deadlineMs: withDefault(integer(0, 86_400_000), 10_000),
  target: optional(targetOption),
  spreadMs: withDefault(integer(0, 86_400_000), 5_000),
} satisfies Record<keyof ShutdownOptions, unknown>);

type ReadShutdown = Omit<Complete<ShutdownOptions>, "target"> & { readonly target?: string | undefined };

/** @throws InvalidArgumentError */
export function readShutdown(options: ShutdownOptions): ReadShutdown {
  return readOptions(schema, options);
}

const reason = "the server stops";
/** How many clients are told in one turn of the event loop. */
const batch = 1_000;

/** Ends all sessions of a server that accepts no more. Resolves when every connection has ended. */
export async function shutDown<Data>(
  core: ServerCore<Data>,
  frames: SessionFrames<Data>,
  { graceful, deadlineMs, target, spreadMs }: ReadShutdown,
): Promise<void> {
  const deadline = performance.now() + (graceful ? deadlineMs : 0);
  const left = (): number => Math.max(0, Math.ceil(deadline - performance.now()));
  if (graceful) {
    await tellAll(core, target, spreadMs);
    await finish(core, left);
  }
  for (const session of [...core.registry]) {
    session.endBy("shutdown", CloseCode.goingAway, reason, graceful, left());
  }
  // Where the sessions of relayed connections end, too, these are flushed by who has them.
  const isBusy = () => core.registry.size > 0 || core.relays.edgeCount > 0 || isClosing(frames.connections);
  while (isBusy() && left() > 0) await frames.ended({ timeoutMs: left() }).catch(() => {});
  for (const connection of [...frames.connections]) {
    connection.close({ code: CloseCode.goingAway, reason, graceful: false, deadlineMs: 0 });
  }
  while (frames.connections.size > 0) await frames.ended();
}

/** Waits for what clients have asked, and were asked: what one of these leads to may begin another. */
async function finish<Data>(
  { dispatcher, receiver, requestBudget, answered }: ServerCore<Data>,
  left: () => number,
): Promise<void> {
  const isBusy = () => dispatcher.running + dispatcher.queued + receiver.promised + requestBudget.current > 0;
  do {
    if (left() > 0) await dispatcher.idle({ timeoutMs: left() }).catch(() => {});
    if (left() > 0) await receiver.idle({ timeoutMs: left() }).catch(() => {});
    if (requestBudget.current > 0 && left() > 0) {
      await answered.wait("answers", { timeoutMs: left() }).catch(() => {});
    }
  } while (isBusy() && left() > 0);
}

/** Whether any is on its way to its end: those that are nobody's yet are not waited for. */
function isClosing(connections: Iterable<TransportConnection>): boolean {
  for (const { state } of connections) if (state === "closing") return true;
  return false;
}

async function tellAll<Data>(
  core: ServerCore<Data>,
  target: string | undefined,
  spreadMs: number,
): Promise<void> {
  let told = 0;
  const own = [...core.registry].map(({ connection }) => connection);
  for (const connection of [...own, ...core.relays.transports()]) {
    if (connection?.state !== "open") continue;
    const retryAfterMs = Math.floor(Math.random() * spreadMs);
    sendFrame(connection, core.codecOf(connection), encodeGoAway({ target, retryAfterMs }));
    told += 1;
    if (told % batch === 0) await nextTurn();
  }
}
