import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeInterop } from "./suite.js";

const crate = fileURLToPath(new URL("../../../test/interop/quinn", import.meta.url));

const KiB = 1024;
const MiB = 1024 * KiB;

describeInterop({
  name: "quinn",
  program: [join(crate, "target", "release", "millrace-quinn")],
  echoBytes: [0, 1, 64 * KiB, MiB, 50 * MiB],
  streams: 500,
  asksForCertificates: true,
});
