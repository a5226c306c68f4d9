import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { BenchProcess } from "../../bench/process.js";
import { nameOf } from "../../bench/program_name.js";

describe("the name of a benchmark's program", () => {
  it("is its file's, without its folder and its flags", () => {
    assert.equal(nameOf(["/opt/built/quic_client", "--port", "4711", "--opening", "7b22"]), "quic_client");
  });

  it("says what it was told to do", () => {
    assert.equal(nameOf(["/opt/built/crates", "quic-client", "--port", "4711"]), "crates quic-client");
  });

  it("is the script's where Node runs it, whatever Node's own flags are", () => {
    const flags = ["--expose-gc", "--max-old-space-size=512"];
    assert.equal(nameOf([process.execPath, ...flags, "/opt/peers/socket_io.js", "8"]), "socket_io.js");
    assert.equal(nameOf([process.execPath, "/opt/peers/relay.js", "/opt/certificate.pem"]), "relay.js");
  });

  it("stands in what is said of a program that fails", async () => {
    const program = join(import.meta.dirname, "no_such_program.js");
    await assert.rejects(
      BenchProcess.start([process.execPath, program, "--port", "4711"], {}),
      ({ message }: Error) => {
        assert.match(message, /^"no_such_program\.js" ended early: /);
        assert.match(message, /Cannot find module 'out\/test\/bench\/no_such_program\.js'/);
        return true;
      },
    );
  });

  it("is all that recorded runs tell of where the programs lay", () => {
    const folder = resolve(import.meta.dirname, "../../../bench/results");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    for (const file of files.filter((name) => name.endsWith(".json"))) {
      assert.doesNotMatch(readFileSync(join(folder, file), "utf8"), /\/(home|root|tmp|work|Users)\//, file);
    }
  });
});
