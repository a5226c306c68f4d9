import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type CloseInfo, listen } from "millrace";
import { Authority } from "millrace/testing";
import { decodeFrame, encodeFrame, FrameView } from "#internal/frame/frame.js";
import { deferred } from "../kit/deferred.js";

const root = join(import.meta.dirname, "../../..");
const page = readFileSync(join(root, "docs/wire.md"), "utf8");

describe("docs/wire.md", () => {
  it("is enough to write a client in Python, which talks to a listener over QUIC", async (t) => {
    const authority = await Authority.make();
    const ended = deferred<CloseInfo>();
    const listener = await listen(
      "quic://127.0.0.1:0",
      {
        message: (connection, message) => void connection.send(message),
        close: (_connection, info) => ended.resolve(info),
      },
      { tls: await authority.issue() },
    );
    t.after(() => listener.close({ graceful: false }));
    const folder = mkdtempSync(join(tmpdir(), "millrace-wire-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const ca = join(folder, "ca.pem");
    writeFileSync(ca, authority.certificate);

    const python = join(root, "test/interop/aioquic/venv/bin/python");
    const args = [join(root, "test/frame/wire/client.py"), `${listener.addresses[0]!.port}`, ca];
    const stdout = await new Promise<string>((resolve, reject) => {
      const child = execFile(python, args, { timeout: 60_000 }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(stderr, { cause: error }));
      });
      child.stdin!.end("hello\nräume €😀\n\nlast\n");
    });
    assert.deepEqual(stdout.trimEnd().split("\n"), ["hello", "räume €😀", "one", "two", "last"]);
    const { by, code, reason } = await ended.promise;
    assert.deepEqual([by, code, reason], ["peer", 300, "done"]);
  });

  it("spells out a frame as the encoder writes it", () => {
    const [, hex] = /A message `hi` is `([0-9a-f ]+)`/.exec(page)!;
    const frame = Buffer.from(hex!.replaceAll(" ", ""), "hex");
    const header = { kind: 4, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };
    assert.deepEqual(new Uint8Array(frame), encodeFrame(header, new TextEncoder().encode("hi")));
    assert.equal(new TextDecoder().decode(decodeFrame(frame, false, new FrameView()).payload), "hi");
  });
});
