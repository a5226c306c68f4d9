// A server with a store of files, in a process of its own that a test kills.
import { createServer } from "millrace/server";
import { FileStore } from "./file_store.js";

const server = await createServer(
  { listen: "tcp://127.0.0.1:0", store: new FileStore(process.argv[2]!) },
  { message: (_session, message) => message.confirm("delivered") },
);
process.send?.(server.urls[0]);
