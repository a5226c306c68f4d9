import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeInterop } from "./suite.js";

const crate = fileURLToPath(new URL("../../../test/interop/quinn", import.meta.url));

describeInterop({ name: "quinn", program: [join(crate, "target", "release", "millrace-quinn")] });
