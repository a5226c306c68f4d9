// A party on a LAN: announces, looks, broadcasts; and one who writes another's address on what it sends.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import {
  type Announcement,
  type AnnounceOptions,
  announce,
  type Broadcast,
  type BroadcastOptions,
  type DiscoverOptions,
  discover,
  openBroadcast,
} from "millrace/udp";
import { answerCalls } from "../kit/program.js";

let announcement: Announcement;
let broadcast: Broadcast;
let bytesReceived = 0;
const heard: string[] = [];

answerCalls({
  async announce(options: AnnounceOptions) {
    announcement = await announce(options);
    return announcement.address.port;
  },
  counters: () => announcement.counters,
  async find(options: DiscoverOptions) {
    const found = [];
    for await (const service of discover(options)) found.push(service);
    return found;
  },
  async open(options: BroadcastOptions) {
    broadcast = await openBroadcast(options);
    void (async () => {
      for await (const { payload, from } of broadcast) heard.push(`${from.address} ${Buffer.from(payload)}`);
    })();
    return broadcast.address.port;
  },
  say: (text: string) => broadcast.send(Buffer.from(text)),
  heard: () => heard,
  async receive({ address, port }: { readonly address: string; readonly port: number }) {
    const socket = createSocket("udp4", ({ length }) => {
      bytesReceived += length;
    });
    socket.bind(port, address);
    await once(socket, "listening");
  },
  bytesReceived: () => bytesReceived,
  async send(given: {
    readonly datagrams: readonly Uint8Array[];
    readonly from: { readonly address: string; readonly port: number };
    readonly to: { readonly address: string; readonly port: number };
  }) {
    const socket = createSocket("udp4");
    socket.bind(given.from.port, given.from.address);
    await once(socket, "listening");
    for (const datagram of given.datagrams) {
      await new Promise((resolve) => socket.send(datagram, given.to.port, given.to.address, resolve));
    }
    socket.close();
  },
});
