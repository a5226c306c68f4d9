import { InvalidArgumentError } from "../errors.js";
import { frameCodec } from "../frame/message_codec.js";
import { readOptions } from "../options/read.js";
import { checkEarlyTrust, earlyDataSchema } from "../transport/early_data.js";
import type { ReadClientOptions } from "./options.js";

/** Whether a URL may lead to a transport with early data. @param added whether there are transports of the application's */
function mayBeEarly(url: string, added: boolean): boolean {
  return added || /^(quic|https):/i.test(url);
}

/** @throws InvalidArgumentError where early data is asked for and cannot be */
export function checkEarlyData(
  { earlyData, codecs, transports, tls }: ReadClientOptions,
  urls: readonly string[],
): void {
  if (earlyData === undefined) return;
  readOptions(earlyDataSchema, earlyData, "earlyData", "earlyData.");
  checkEarlyTrust(tls);
  if (!urls.some((url) => mayBeEarly(url, transports !== undefined))) {
    throw new InvalidArgumentError("earlyData is QUIC's: give a quic:// URL, too, or leave it out");
  }
  if (codecs?.some((codec) => codec !== frameCodec)) {
    throw new InvalidArgumentError(
      "earlyData goes before a codec is agreed on: leave out codecs, or earlyData",
    );
  }
}
