import { decodeFrame, encodeFrame, FrameView } from "../frame/frame.js";
import type { Codec } from "../frame/message_codec.js";
import { sendFrame } from "../frame/unit.js";
import type { TransportConnection } from "../transport/connection.js";
import { putU32 } from "./meta.js";
import { encodeWelcome, type Welcome } from "./welcome.js";

/** Client ids have no more lengths than that, and a heartbeat is there or not. */
const maxForms = 514;
const encoder = new TextEncoder();
const nobody = new Uint8Array(0);

/**
 * Encodes the Welcomes of a server's new sessions. They differ in a few values of known lengths alone: so a frame is
 * encoded once for each form of it, and later ones are that frame with their own values in their places.
 */
export class PreparedWelcomes {
  readonly #forms = new Map<number, Form>();

  /** @throws InvalidArgumentError */
  send(transport: TransportConnection, codec: Codec | undefined, welcome: Welcome): void {
    const prepared = codec === undefined ? this.encode(welcome) : undefined;
    if (prepared !== undefined) transport.send(prepared);
    else sendFrame(transport, codec, encodeWelcome(welcome));
  }

  /**
   * @returns the whole frame, valid until the next call; undefined for a Welcome that says more than a new session's.
   * @throws InvalidArgumentError
   */
  encode(welcome: Welcome): Uint8Array | undefined {
    const { resumed, cursors, compression, meta, clientId, heartbeatMs } = welcome;
    if (resumed || cursors.size > 0 || compression !== undefined || meta.length > 0) return undefined;
    const client = clientId === undefined ? nobody : encoder.encode(clientId);
    const key = client.length * 2 + (heartbeatMs === undefined ? 0 : 1);
    const known = this.#forms.get(key);
    if (known?.fits(welcome)) return known.of(welcome, client);
    const form = new Form(welcome);
    if (known !== undefined || this.#forms.size < maxForms) this.#forms.set(key, form);
    return form.of(welcome, client);
  }
}

/** A Welcome whose values are replaced. */
class Form {
  readonly #like: Welcome;
  readonly #frame: Uint8Array;
  /** Where they lie in the frame. */
  readonly #values: ReadonlyMap<string, Uint8Array>;

  constructor(like: Welcome) {
    this.#like = like;
    const contents = encodeWelcome(like);
    this.#frame = encodeFrame(contents, contents.payload, contents);
    const { meta } = decodeFrame(this.#frame, true, new FrameView());
    this.#values = new Map(meta.map(({ key, value }) => [key, value]));
  }

  /** Whether another Welcome differs in what is replaced alone. */
  fits({ version, windowBytes, maxMessageBytes, answersEarly, session, resume }: Welcome): boolean {
    const like = this.#like;
    return (
      version === like.version &&
      windowBytes === like.windowBytes &&
      maxMessageBytes === like.maxMessageBytes &&
      answersEarly === like.answersEarly &&
      session.length === like.session.length &&
      resume.length === like.resume.length
    );
  }

  of({ session, resume, heartbeatMs }: Welcome, client: Uint8Array): Uint8Array {
    const values = this.#values;
    values.get("session")!.set(session);
    values.get("resume")!.set(resume);
    values.get("client")?.set(client);
    const heartbeat = values.get("heartbeat");
    if (heartbeat !== undefined) putU32(heartbeat, 0, heartbeatMs!);
    return this.#frame;
  }
}
