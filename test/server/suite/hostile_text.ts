import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { RequestFailure } from "millrace/server";
import { encodeHello } from "#internal/delivery/hello.js";
import { sessionVersion } from "#internal/delivery/terms.js";
import { Kind } from "#internal/frame/frame.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";
import { RawClient } from "./raw_client.js";

const MIB = 1024 * 1024;
const encoder = new TextEncoder();
/** What means something to JavaScript where an object is taken for a dictionary. */
const objectWords = ["__proto__", "constructor", "prototype", "hasOwnProperty", "toString", "valueOf"];

/** Names, subjects and texts of strangers are data, whatever they look like. */
export function describeHostileText(kit: SessionKit): void {
  describe("texts of strangers", () => {
    test("that are words of JavaScript's objects are names as any other", async (t) => {
      const heard: string[] = [];
      const server = await kit.serve(t, {
        authenticate: (hello) => ({ meta: [...hello.meta.keys()] }),
        requests: { well: () => "yes" },
        subscribe: () => true,
        publish: () => true,
      });
      for (const word of objectWords) {
        const meta = [{ key: `meta.${word}`, value: encoder.encode('{"polluted":1}') }];
        const client = await kit.join(
          t,
          server,
          { clientId: word, meta: meta.map(({ value }) => ({ key: word, value })) },
          { publication: (_session, { topic }) => heard.push(topic) },
        );
        const unknown = await client.request(word);
        assert.equal(unknown.status, "failure", word);
        assert.equal((await client.request("well")).status, "success");
        await until("it has begun", () => server.sessionsOf(word).length === 1);
        await client.subscribe(`${word}.room`);
        await client.publish(`${word}.room`, "hello");
        await until("it has come", () => heard.includes(`${word}.room`));
        await client.close();
      }
      assert.equal(({} as { polluted?: unknown }).polluted, undefined);
      assert.equal(heard.length, objectWords.length);
    });

    test("that are JSON made to harm are answered, and change nothing", async (t) => {
      const server = await kit.serve(t, {
        requests: { keys: (_session, request) => Object.keys(request.json() as object).join(" ") },
      });
      const client = await kit.join(t, server);
      const harmful = [
        "[".repeat(500_000),
        `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
        `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`,
        "\xff\xfe",
        "",
        `"${"\\".repeat(99_999)}`,
        `{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}`,
      ];
      for (const text of harmful) {
        await until("there is room", () => client.bytesQueued < 100_000);
        const { status } = await client.request("keys", text);
        assert.ok(status === "success" || status === "failure", text.slice(0, 20));
      }
      assert.equal(({} as { polluted?: unknown }).polluted, undefined);
      const whole = await client.request("keys", '{"a":1}');
      assert.equal(whole.status === "success" && Buffer.from(whole.payload).toString(), "a");
    });

    test("that are no subject, or no pattern, bring nothing of what they are not let to have", async (t) => {
      const got: string[] = [];
      const server = await kit.serve(t, {
        subscribe: (_session, pattern) => pattern.startsWith("mine."),
        publish: (_session, subject) => subject.startsWith("mine."),
      });
      const client = await kit.join(t, server, {}, { publication: (_session, { topic }) => got.push(topic) });
      const witness = await kit.join(
        t,
        server,
        {},
        { publication: (_session, { topic }) => got.push(topic) },
      );
      await until("both have begun", () => server.sessionCount === 2);
      server.subscribe(server.session(witness.id)!, "secret.>");
      const part = fc.constantFrom(
        "mine",
        "secret",
        "key",
        "*",
        ">",
        ".",
        "..",
        "\0",
        " ",
        "\t",
        "\u202e",
        "\u00e9",
        "$",
        "/",
      );
      const hostile = fc.array(part, { maxLength: 7 }).map((parts) => parts.join(""));
      const spelled = fc.oneof(
        hostile,
        hostile.map((text) => `mine.${text}`),
      );
      const refused = (cause: unknown) => assert.ok(cause instanceof RequestFailure, `${cause}`);
      const attempt = async (text: string) => {
        await client.subscribe(text).catch(refused);
        await client.publish(text, "taken").catch(refused);
        return !got.some((topic) => !topic.startsWith("mine."));
      };
      await fc.assert(fc.asyncProperty(spelled, attempt), {
        numRuns: 60,
        seed: 27,
        examples: [[">"], ["*.key"], ["mine.\0.>"]],
      });
      server.publish("secret.key", "for the witness alone");
      await until("the witness has it", () => got.includes("secret.key"));
      await client.publish("mine.last", "").catch(refused);
      assert.equal(got.filter((topic) => !topic.startsWith("mine.")).length, 1);
    });

    test("that a hello is full of are refused, or kept as they are, and never more than they may be", async (t) => {
      const names: (string | undefined)[] = [];
      const server = await kit.serve(t, {
        authenticate: ({ clientId }) => {
          names.push(clientId);
          return {};
        },
      });
      const hello = (clientId: string) =>
        encodeHello({
          ...{ version: sessionVersion, clientId, token: new Uint8Array(0), resumption: undefined },
          ...{ meta: [], heartbeatMs: undefined, windowBytes: MIB, maxMessageBytes: MIB },
        });
      const bad = ["a\0b", "a\r\nb", "\x1b[2J", "x".repeat(257), "\u2028".repeat(90)];
      for (const clientId of bad) {
        const peer = await RawClient.connect(t, kit.under, server);
        const frame = { ...hello("good"), subject: clientId };
        peer.say({ ...frame, kind: Kind.Hello });
        await peer.closed;
      }
      assert.deepEqual(names, [], "nobody was asked about those");
      const peer = await RawClient.connect(t, kit.under, server);
      await peer.begin(hello("../../etc/passwd"));
      assert.deepEqual(names, ["../../etc/passwd"]);
    });
  });
}
