import type { MetaEntry } from "../frame/frame.js";
import type { Success } from "./failure.js";
import { textOf } from "./message.js";

/** The answer to a request that went well. */
export class SuccessfulReply implements Success {
  readonly status = "success";
  readonly payload: Uint8Array;
  readonly meta: readonly MetaEntry[];

  constructor(payload: Uint8Array, meta: readonly MetaEntry[]) {
    this.payload = payload;
    this.meta = meta;
  }

  text(): string {
    return textOf(this.payload);
  }

  json(): unknown {
    return JSON.parse(this.text());
  }
}
