/** An application that throws as soon as it listens. */
import { createServer } from "millrace/server";

createServer({ listen: "tcp://127.0.0.1:0" }, {}).then(() => {
  setImmediate(() => {
    throw new Error("not again");
  });
});
