import { ResumableSession } from "#internal/client/client_session.js";
import { costOf } from "#internal/delivery/frame_cost.js";
import { Inbound, type Receipt } from "#internal/delivery/inbound.js";
import { SentLog } from "#internal/delivery/sent_log.js";
import type { FrameContents } from "#internal/frame/frame.js";
import { Receiver } from "#internal/server/receiver.js";
import { ServerSession } from "#internal/server/server_session.js";
import { ServerTopics } from "#internal/server/server_topics.js";

/** Something that sessions depend upon, which does not do it any more until what this returns is called. */
export type Sabotage = () => () => void;

type Method = (...args: never[]) => unknown;

/** Puts another method in the place of one, until what this returns is called. */
function replace<Of extends object>(
  of: Of,
  name: keyof Of & string,
  make: (real: Method) => Method,
): () => void {
  const real = of[name] as Method;
  Object.assign(of, { [name]: make(real) });
  return () => Object.assign(of, { [name]: real });
}

/** What comes a second time is taken for new. */
export const noDedupe: Sabotage = () =>
  replace(
    Inbound.prototype,
    "receive",
    (real) =>
      function (this: Inbound, ...args: never[]): Receipt {
        const receipt = real.apply(this, args) as Receipt;
        return receipt === "duplicate" ? "apply" : receipt;
      },
  );

/** What was not acknowledged is not sent again. */
export const noReplay: Sabotage = () =>
  replace(
    SentLog.prototype,
    "replay",
    (real) =>
      function (this: SentLog): unknown {
        const replay = real.call(this) as ReturnType<SentLog["replay"]>;
        while (replay.peek() !== undefined) replay.advance();
        return replay;
      },
  );

/** Has something else done with every fifth message. `handle` does what is done with the others. */
function everyFifth(
  instead: (
    session: ServerSession<unknown>,
    frame: FrameContents,
    handle: (frame: FrameContents) => void,
  ) => void,
): Sabotage {
  return () => {
    let count = 0;
    return replace(
      Receiver.prototype,
      "message",
      (real) =>
        function (this: Receiver<unknown>, session: never, frame: never): unknown {
          count += 1;
          if (count % 5 !== 0) return real.call(this, session, frame);
          instead(session, frame, (own) => real.call(this, session, own as never));
          return undefined;
        },
    );
  };
}

/** It is acknowledged, and nobody gets it. */
export const acknowledgedOnly = everyFifth((session, frame) =>
  session.handled(frame.channel, frame.seq, costOf(frame)),
);

/** It waits for a turn of the event loop, and those behind it do not. */
export const overtaking = everyFifth(
  (_session, { kind, flags, channel, type, seq, ref, payload }, handle) => {
    const own: FrameContents = { kind, flags, channel, type, seq, ref, payload: payload.slice() };
    setImmediate(() => handle(own));
  },
);

/** A client is told that its session has gone on, whatever became of it. */
export const lossInSilence: Sabotage = () =>
  replace(
    ResumableSession.prototype,
    "switchTo",
    (real) =>
      async function (this: ResumableSession, ...args: never[]): Promise<boolean> {
        await real.apply(this, args);
        return true;
      },
  );

/** A session ends at once, whatever still waits in it. */
export const abruptEnds: Sabotage = () =>
  replace(
    ServerSession.prototype,
    "endBy",
    (real) =>
      function (this: ServerSession<unknown>, ...args: never[]): unknown {
        const [by, code, reason] = args;
        return real.call(this, by!, code!, reason!, false as never);
      },
  );

/** Where a client says that it is in its topics, nobody looks at. */
export const missedInSilence: Sabotage = () =>
  replace(ServerTopics.prototype, "resume", () => () => undefined);

/** Those that `npm run prove:client -- --sabotage` knows, each of which it must find. */
export const sabotages = {
  dedupe: noDedupe,
  replay: noReplay,
  handling: acknowledgedOnly,
  order: overtaking,
  topics: missedInSilence,
} as const satisfies Record<string, Sabotage>;
