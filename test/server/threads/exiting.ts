/** A program that exits without having closed its workers, one of which has a client. */
import { connect } from "millrace/client";
import { startWorkers } from "millrace/server";
import { moduleNamed } from "./kit.js";

const workerData = { options: { listen: "ws://127.0.0.1:0" } };
startWorkers({ module: moduleNamed("app"), workers: 2, workerData }).then(async (group) => {
  const client = await connect(group.urls[0]!, { reconnect: false });
  const reply = await client.request("thread");
  console.log(reply.status);
  process.exit(3);
});
