// Another process that has UDP ports of this machine.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { answerCalls } from "../kit/program.js";

answerCalls({
  async hold({ address, port }: { readonly address: string; readonly port: number }) {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    socket.bind(port, address);
    await once(socket, "listening");
  },
});
