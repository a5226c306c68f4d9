/** The thread behind {@link SharedThread}: does what it is told, one after the other, and tells what happens. */
import { parentPort } from "node:worker_threads";
import * as quic from "millrace/quic";
import type { SharedCommand, SharedMessage, SharedTask } from "./shared_thread.js";

let listener: quic.QuicListener | undefined;
let turn: Promise<void> = Promise.resolve();
parentPort!.on("message", (command: SharedCommand) => {
  turn = turn.then(() => answer(command));
});

async function answer(command: SharedCommand): Promise<void> {
  try {
    post({ value: await obey(command) });
  } catch (error) {
    post({ code: (error as { code: string }).code });
  }
}

async function obey(command: SharedCommand): Promise<unknown> {
  switch (command.method) {
    case "listen":
      listener = await quic.listen(command.task.options, behaviourOf(command.task));
      return listener.address.port;
    case "updateTls":
      return listener!.updateTls(command.tls);
    case "setTicketKeys":
      return listener!.setTicketKeys(command.keys);
    case "refused":
      return listener!.refused;
    case "close":
      return listener!.close();
  }
}

function behaviourOf({ letsIn, earlyData = "hold" }: SharedTask): quic.QuicBehaviour {
  const texts = new WeakMap<quic.QuicStream, string>();
  return {
    open: () => post({ event: "open", text: "" }),
    earlyData: () => earlyData,
    data(stream, chunk) {
      texts.set(stream, (texts.get(stream) ?? "") + Buffer.from(chunk));
    },
    end(stream) {
      post({ event: "effect", text: texts.get(stream) ?? "" });
      stream.end();
    },
    ...(letsIn !== undefined && {
      authenticate({ certificate }) {
        post({ event: "asked", text: certificate?.subject ?? "" });
        return letsIn;
      },
    }),
  };
}

function post(message: SharedMessage): void {
  parentPort!.postMessage(message);
}
