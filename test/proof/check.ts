import type { Journal, Sent, Stream } from "./journal.js";

/**
 * What is wrong with a journal whose sessions have come to rest, by what is promised of delivery: nothing that was
 * acknowledged is lost, nothing is applied twice, each lane is in order, and whatever is missing was declared.
 * @returns a sentence each.
 */
export function check(journal: Journal): readonly string[] {
  const faults = [...journal.faults];
  for (const [key, stream] of journal.streams) {
    const say = (what: string) => faults.push(`${key}: ${what}`);
    checkOnce(stream, say);
    checkOrder(stream, say);
    checkHoles(stream, say);
    checkComplete(stream, journal.incarnation(stream.client, stream.way), say);
    checkOutcomes(stream, say);
    checkReplies(stream, say);
  }
  for (const client of journal.topics.keys()) {
    checkTopic(journal, client, (what) => faults.push(`topic of ${client}: ${what}`));
  }
  return faults;
}

type Say = (what: string) => void;

/** What was sent comes, once, and nothing else does. */
function checkOnce({ sent, came }: Stream, say: Say): void {
  const seen = new Set<number>();
  for (const { id } of came) {
    if (sent[id]?.accepted !== true) say(`${id} came, and was not accepted from anybody`);
    if (seen.has(id)) say(`${id} came twice`);
    seen.add(id);
  }
}

function checkOrder({ came, promised }: Stream, say: Say): void {
  if (promised !== "ordered" && promised !== "newer") return;
  for (let at = 1; at < came.length; at += 1) {
    if (came[at]!.id < came[at - 1]!.id) say(`${came[at]!.id} came behind ${came[at - 1]!.id}`);
  }
}

/** What a session's lane brings has no hole: what is lost is lost with the session, and behind all that came. */
function checkHoles({ sent, came, promised }: Stream, say: Say): void {
  if (promised !== "ordered") return;
  const accepted = sent.filter((message) => message.accepted).map(({ id }) => id);
  const place = new Map(accepted.map((id, index) => [id, index]));
  for (let at = 1; at < came.length; at += 1) {
    const [before, now] = [came[at - 1]!, came[at]!];
    if (before.session !== now.session) continue;
    if (place.get(now.id) !== place.get(before.id)! + 1) say(`a hole between ${before.id} and ${now.id}`);
  }
}

/** All that was accepted since the last loss was declared has come. */
function checkComplete({ sent, came, promised }: Stream, incarnation: number, say: Say): void {
  if (promised !== "ordered" && promised !== "unordered") return;
  const applied = new Set(came.map(({ id }) => id));
  for (const message of sent) {
    const isDue = message.accepted && message.incarnation === incarnation;
    if (isDue && !applied.has(message.id)) say(`${message.id} never came, and no loss was declared`);
  }
}

function checkOutcomes({ sent, came, promised }: Stream, say: Say): void {
  if (promised !== "ordered" && promised !== "unordered") return;
  const applied = new Set(came.map(({ id }) => id));
  for (const { id, accepted, settles, outcomes } of sent) {
    if (!accepted || !settles) continue;
    if (outcomes.length !== 1) say(`of ${id} its sender heard ${outcomes.join(", ") || "nothing"}`);
    const [outcome] = outcomes;
    if (outcome === "received" && !applied.has(id)) say(`${id} was acknowledged, and lost`);
    if ((outcome === "dropped" || outcome === "expired") && applied.has(id))
      say(`${id} was given up, and came`);
  }
}

function checkReplies({ sent, came }: Stream, say: Say): void {
  const applied = new Set(came.map(({ id }) => id));
  const outOfTurn = (message: Sent) => message.asks && message.reply === undefined;
  for (const message of sent) {
    if (outOfTurn(message)) say(`request ${message.id} was never answered`);
    if (message.reply === "success" && !applied.has(message.id)) {
      say(`request ${message.id} was answered, and nobody was asked`);
    }
  }
}

/** What a topic brings is numbered without a hole, but where one was declared. */
function checkTopic(journal: Journal, client: string, say: Say): void {
  let last: number | undefined;
  /** The newest that came: a session that takes the place of a lost one may bring what came before it began. */
  let came = 0;
  let declared = true;
  /** A publication that waited for the connection to come back is in front of the word that those before it are lost. */
  let open: string | undefined;
  for (const what of journal.topics.get(client)!) {
    if (what === "gap") {
      declared = true;
      open = undefined;
      continue;
    }
    if (typeof what === "object") {
      last = what.behind;
      declared = false;
      continue;
    }
    if (what <= came) say(`${what} came behind ${came}`);
    const isBefore = what <= last!;
    came = Math.max(came, what);
    if (!declared && !isBefore && what !== last! + 1)
      open ??= `a hole between ${last} and ${what} that nobody declared`;
    last = what;
    declared = false;
  }
  if (open !== undefined) say(open);
  if (!declared && last !== journal.published) {
    say(`${last} came last of ${journal.published}, and nobody declared that more are missing`);
  }
}
