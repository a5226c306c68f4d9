import { InvalidArgumentError } from "../errors.js";
import { parseTransportUrl } from "../transport/address.js";

/** Whether a server that sends a client on to a URL means a way as safe as the one that it came by. */
export function isSameScheme(target: string, url: string): boolean {
  return new URL(target).protocol === new URL(url).protocol;
}

/** Whether a URL stands for those that its host names: `https://example.com`. */
export function isHost(url: string): boolean {
  return /^https:/i.test(url);
}

/** @throws InvalidArgumentError where it names more than a host and a port */
function checkHost(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && parsed.href === `${parsed.origin}/`) return;
  throw new InvalidArgumentError(`"${url}" must be a host alone, like https://example.com; it says the rest`);
}

/**
 * Where a server can be reached: one URL, or a list of them.
 * @throws InvalidArgumentError
 */
export function readUrls(urls: string | readonly string[]): readonly string[] {
  const list = Array.isArray(urls) ? [...urls] : [urls];
  if (list.length === 0) throw new InvalidArgumentError("urls is an empty list; give one URL or more");
  const texts = list.map((url) => (url instanceof URL ? url.href : url));
  for (const url of texts) {
    if (typeof url === "string" && isHost(url)) checkHost(url);
    else parseTransportUrl(url);
  }
  return texts;
}
