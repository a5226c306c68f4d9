import { InternalError } from "../../errors.js";
import type { Linked } from "../../list/linked_list.js";
import { maxPartBytes, type RelayCommand, RelayOp, writeRelayCommand } from "./relay_command.js";
import type { RelayLine } from "./relay_line.js";

/** What the other end has said, whole: valid during the call only. */
export interface RelayUnit {
  readonly op: number;
  readonly lane: number;
  readonly bytes: Uint8Array;
}

/** What waits for room; its bytes are its own. */
interface Waiting {
  readonly op: RelayOp;
  readonly lane: number;
  readonly bytes: Uint8Array;
}

/** What has come of a unit whose parts have not all come. */
interface Partial {
  readonly op: number;
  readonly lane: number;
  readonly bytes: Uint8Array;
  filled: number;
}

const nothing = new Uint8Array(0);
/** Units that come in one part are read here, out of reach of other threads. */
const scratch = new Uint8Array(maxPartBytes);

/**
 * One end of a relay: says units of any length in order, in parts that fit into an inbox, and puts together what the
 * other end says. What is lost on the way, or damaged there, is found by the places of commands.
 */
export class RelayPipe implements Linked<RelayPipe> {
  previous: RelayPipe | undefined = undefined;
  next: RelayPipe | undefined = undefined;
  /** The line's. */
  isInLine = false;
  readonly id: number;
  /** Bytes of units that wait for room. */
  bytesWaiting = 0;
  readonly #line: RelayLine;
  readonly #toOwner: boolean;
  readonly #maxUnitBytes: number;
  /** Called when something that waited has gone. */
  readonly #onRoom: () => void;
  readonly #waiting: Waiting[] = [];
  /** Of the first that waits: how much of it has gone. */
  #gone = 0;
  #status: Uint8Array | undefined = undefined;
  #isHeld = false;
  #sent = 0;
  #received = 0;
  #partial: Partial | undefined = undefined;

  constructor(
    line: RelayLine,
    {
      id,
      toOwner,
      maxUnitBytes,
      onRoom,
    }: {
      readonly id: number;
      readonly toOwner: boolean;
      readonly maxUnitBytes: number;
      readonly onRoom: () => void;
    },
  ) {
    this.#line = line;
    this.id = id;
    this.#toOwner = toOwner;
    this.#maxUnitBytes = maxUnitBytes;
    this.#onRoom = onRoom;
  }

  get environment(): number {
    return this.#line.environment;
  }

  /** The other end has been told something, or has begun it. */
  get hasBegun(): boolean {
    return this.#sent > 0 || !this.#toOwner;
  }

  /** Nothing waits. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#status === undefined;
  }

  /** Says a unit, in one part or two: now, or when there is room. Both are copied before this returns. */
  send(op: RelayOp, lane: number, head: Uint8Array, payload: Uint8Array = nothing): void {
    const totalBytes = head.length + payload.length;
    const isNow =
      this.#waiting.length === 0 && !this.#isHeld && this.#line.isFree && totalBytes <= maxPartBytes;
    if (isNow && this.#post(op, lane, totalBytes, head, payload)) return;
    const bytes = new Uint8Array(totalBytes);
    bytes.set(head);
    bytes.set(payload, head.length);
    this.#waiting.push({ op, lane, bytes });
    this.bytesWaiting += totalBytes;
    this.#enter();
  }

  /** Says how this end stands, ahead of all that waits but for the beginning. */
  tell(status: Uint8Array): void {
    this.#status = status;
    this.#enter();
  }

  /** Forgets what waits; what has been said in part stays so. */
  clear(): void {
    this.#waiting.length = 0;
    this.#gone = 0;
    this.bytesWaiting = 0;
    this.#status = undefined;
    this.#line.leave(this);
  }

  /** The other end takes no units for now, or does again. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#enter();
  }

  /** Its turn in the line: one command. */
  postNext(): void {
    if (this.#status !== undefined && this.hasBegun) this.#postStatus(this.#status);
    else this.#postPart();
    this.#enter();
  }

  /**
   * Takes a command of the other end.
   * @returns the unit that is whole with it.
   * @throws InternalError where it is not what has to come next: this end cannot go on.
   */
  take({ op, lane, sequence, totalBytes }: RelayCommand, part: Uint8Array): RelayUnit | undefined {
    if (sequence !== (this.#received + 1) >>> 0) {
      throw new InternalError(`a relay got command ${sequence} after ${this.#received}`);
    }
    this.#received = sequence;
    if (op === RelayOp.close) this.#partial = undefined; // what came before it was given up
    const partial = this.#partial;
    if (partial === undefined && part.length === totalBytes && totalBytes <= maxPartBytes) {
      scratch.set(part);
      return { op, lane, bytes: scratch.subarray(0, totalBytes) };
    }
    return this.#assemble(partial ?? this.#begin(op, lane, totalBytes), op, part, totalBytes);
  }

  #begin(op: number, lane: number, totalBytes: number): Partial {
    if (totalBytes > this.#maxUnitBytes) {
      throw new InternalError(`a relay is to take ${totalBytes} bytes at once`);
    }
    this.#partial = { op, lane, bytes: new Uint8Array(totalBytes), filled: 0 };
    return this.#partial;
  }

  #assemble(partial: Partial, op: number, part: Uint8Array, totalBytes: number): RelayUnit | undefined {
    const { bytes, filled } = partial;
    if (op !== partial.op || totalBytes !== bytes.length || part.length > totalBytes - filled) {
      throw new InternalError("a relay got a part of something else");
    }
    bytes.set(part, filled);
    partial.filled += part.length;
    if (partial.filled < totalBytes) return undefined;
    this.#partial = undefined;
    return partial;
  }

  #enter(): void {
    const tells = this.#status !== undefined && this.hasBegun;
    if (tells || (this.#waiting.length > 0 && !this.#isHeld)) this.#line.enter(this);
    else this.#line.leave(this);
  }

  #postStatus(status: Uint8Array): void {
    const command = this.#command(RelayOp.status, 0, 0, status.length);
    if (this.#line.post(writeRelayCommand(command, status))) this.#status = undefined;
  }

  #postPart(): void {
    const [first] = this.#waiting;
    if (first === undefined || this.#isHeld) return;
    const { op, lane, bytes } = first;
    const part = bytes.subarray(this.#gone, this.#gone + maxPartBytes);
    if (!this.#post(op, lane, bytes.length, part)) return;
    this.#gone += part.length;
    this.bytesWaiting -= part.length;
    if (this.#gone === bytes.length) {
      this.#waiting.shift();
      this.#gone = 0;
    }
    this.#onRoom();
  }

  #post(op: RelayOp, lane: number, totalBytes: number, head: Uint8Array, payload?: Uint8Array): boolean {
    const sequence = (this.#sent + 1) >>> 0;
    if (!this.#line.post(writeRelayCommand(this.#command(op, lane, sequence, totalBytes), head, payload)))
      return false;
    this.#sent = sequence;
    return true;
  }

  #command(op: RelayOp, lane: number, sequence: number, totalBytes: number): RelayCommand {
    return { op, toOwner: this.#toOwner, relay: this.id, lane, sequence, totalBytes };
  }
}
