import { Connector, type ConnectorEvents } from "./connector.js";
import { greetingOf } from "./greeting.js";
import { type ClientOptions, readClientOptions } from "./options.js";
import type { Platform } from "./platform.js";
import { type ProbeResult, probeUrls, readProbe } from "./probe.js";
import { readUrls } from "./urls.js";

/** There is no session. */
const nobody: ConnectorEvents = { take() {}, drain() {}, lose() {}, failed() {}, report() {}, probed() {} };

/** Measures, as `probe` does. */
export async function beginProbe(
  urls: string | readonly string[],
  options: ClientOptions,
  platform: Platform,
): Promise<ProbeResult> {
  const read = readClientOptions(options);
  const all = readUrls(urls);
  platform.choice?.check(read, all);
  const connector = new Connector(all, read, platform, nobody);
  const { probe: how = readProbe(true), signal } = read;
  return connector.measure(probeUrls, how, () => greetingOf(read, undefined), signal);
}
