import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { testPrograms } from "./kit.js";

/** A port or a size differs from run to run. */
testPrograms("quic", {
  "echo.js": /^echo over echo: hello, QUIC\n$/,
  "request_response.js": /^100 requests at once; the sum of the squares is 328350\n$/,
  "file_transfer.js": /^( {0,2}\d+ % of \d+ bytes\n){10,}the file arrived whole\n$/,
  "datagrams.js":
    /^a datagram takes up to 1\d{3} bytes here\nthe newest position came back: 10, 5\nacknowledged: 10 of 10\n$/,
  "early_data.js":
    /^Bergen: rain\n {2}resumed: false, early data accepted: none sent\nQuito: rain, asked early\n {2}resumed: true, early data accepted: true\n$/,
  "mutual_tls.js": /^device-1: welcome, device-1\ndevice-2: ERR_MILLRACE_CERTIFICATE_REFUSED\n$/,
  "worker_threads.js": /^9 connections over 3 threads: 3, 3, 3\n$/,
  "migration.js": /^the server sees port \d+ become \d+\none stream over two addresses: before, and after\n$/,
});

test("the guide shows the examples as they are", async () => {
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  await promisify(execFile)(process.execPath, [join(root, "scripts", "guide.mjs"), "--check"]);
});
