import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeInterop } from "./suite.js";

const folder = fileURLToPath(new URL("../../../test/interop/aioquic", import.meta.url));

const KiB = 1024;

// It is written in Python, and takes a minute for what quinn does in three seconds.
describeInterop({
  name: "aioquic",
  program: [join(folder, "venv", "bin", "python"), join(folder, "peer.py")],
  echoBytes: [0, 1, 64 * KiB, 2 * 1024 * KiB],
  streams: 100,
  asksForCertificates: false,
});
