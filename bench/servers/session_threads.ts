// One server of sessions in so many threads. Argument: how many.
import { startWorkers } from "millrace/server";
import { announce } from "./control.js";

const group = await startWorkers(
  { module: new URL("./session_app.js", import.meta.url), workers: Number(process.argv[2]) },
  {
    workerExit: (_worker, cause) => {
      throw cause;
    },
  },
);
announce(Number(new URL(group.urls[0]!).port));
