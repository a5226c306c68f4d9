/** Listens, talks to itself and to the main thread, and goes on until it is terminated. */
import { parentPort, workerData } from "node:worker_threads";
import { type Credentials, type Endpoints, listenForTraffic, makeTraffic } from "./traffic.js";

export interface TrafficWorkerData {
  readonly credentials: Credentials;
  readonly main: Endpoints;
}

export type TrafficWorkerMessage = { readonly listening: Endpoints } | "flowing";

const { credentials, main } = workerData as TrafficWorkerData;
const say = (message: TrafficWorkerMessage) => parentPort!.postMessage(message);

const { url, rawPort } = await listenForTraffic(credentials);
say({ listening: { url, rawPort } });
let toFlow = 2;
const flowing = () => {
  toFlow -= 1;
  if (toFlow === 0) say("flowing");
};
await makeTraffic(main, credentials.ca, flowing);
await makeTraffic({ url, rawPort }, credentials.ca, flowing);
