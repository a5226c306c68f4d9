import { choiceReading } from "./choice_reading.js";
import { dial } from "./dial.js";
import { greetingOf } from "./greeting.js";
import { type ClientOptions, readClientOptions } from "./options.js";
import { loadWithin } from "./part.js";
import type { Platform } from "./platform.js";
import { type ProbeResult, probeUrls, readProbe } from "./probe.js";
import type { DialUrl } from "./routes.js";
import { readUrls } from "./urls.js";

/** Measures, as `probe` does. */
export async function beginProbe(
  urls: string | readonly string[],
  options: ClientOptions,
  platform: Platform,
): Promise<ProbeResult> {
  const read = readClientOptions(options, choiceReading);
  const all = readUrls(urls);
  platform.choice?.check(read, all);
  const { probe: how = readProbe(true), signal } = read;
  const hello = () => greetingOf(read, undefined);
  const dialUrl: DialUrl = (url, each) => dial(url, platform, { ...read, signal: each }, hello);
  const { makeRoutes } =
    platform.extras.here ?? (await loadWithin(platform.extras, read.connectTimeoutMs, signal));
  const routes = makeRoutes(all, read, platform, { report() {}, probed() {} });
  return routes.measure(probeUrls, how, dialUrl, signal);
}
