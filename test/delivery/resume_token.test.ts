import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "millrace";
import { nodeOfToken, ResumeTokens } from "#internal/delivery/resume_token.js";

const grant = { session: randomBytes(16), counter: 7, principal: "ann", node: 0xffff_fffe };

describe("a resume token", () => {
  it("says its node and counter to who has the secret, in whichever process", () => {
    const secret = randomBytes(32);
    const token = new ResumeTokens(secret).mint(grant);
    assert.equal(token.length, 25);
    assert.deepEqual(new ResumeTokens(secret).verify(token, grant), { node: 0xffff_fffe, counter: 7 });
    assert.equal(nodeOfToken(token), 0xffff_fffe);
  });

  it("is good for its session and its principal alone", () => {
    const tokens = new ResumeTokens();
    const token = tokens.mint(grant);
    assert.equal(tokens.verify(token, { ...grant, session: randomBytes(16) }), undefined);
    assert.equal(tokens.verify(token, { ...grant, principal: "bob" }), undefined);
    assert.equal(tokens.verify(token, { ...grant, principal: "" }), undefined);
  });

  it("is no good with another secret, nor when any bit of it is another", () => {
    const tokens = new ResumeTokens();
    const token = tokens.mint(grant);
    assert.equal(new ResumeTokens().verify(token, grant), undefined);
    for (let bit = 0; bit < token.length * 8; bit++) {
      const changed = Uint8Array.from(token);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(tokens.verify(changed, grant), undefined, `bit ${bit}`);
    }
    assert.notEqual(tokens.verify(token, grant), undefined);
  });

  it("is refused, and not thrown over, whatever a stranger sends", () => {
    const tokens = new ResumeTokens();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        assert.equal(tokens.verify(bytes, grant), undefined);
        nodeOfToken(bytes);
      }),
    );
  });

  it("needs a secret of 32 bytes, which nobody changes afterwards", () => {
    assert.throws(() => new ResumeTokens(randomBytes(31)), InvalidArgumentError);
    const secret = randomBytes(32);
    const tokens = new ResumeTokens(secret);
    const token = tokens.mint(grant);
    secret.fill(0);
    assert.notEqual(tokens.verify(token, grant), undefined);
  });
});
