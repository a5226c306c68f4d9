import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addressKey } from "#internal/limit/address_key.js";

describe("an address counts", () => {
  it("as itself where it is IPv4, in whatever form it comes", () => {
    const forms = ["192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:192.0.2.1"];
    for (const form of forms) assert.equal(addressKey(form), "192.0.2.1");
    assert.notEqual(addressKey("192.0.2.2"), "192.0.2.1");
  });

  it("as the IPv4 address that a NAT64 prefix carries", () => {
    assert.equal(addressKey("64:ff9b::c000:201"), "192.0.2.1");
    assert.equal(addressKey("64:ff9b::192.0.2.1"), "192.0.2.1");
    assert.equal(addressKey("64:ff9b:1::c000:201"), "64:ff9b:1:0::/64");
  });

  it("as its first 64 bits where it is IPv6", () => {
    const one = ["2001:db8:1:2::1", "2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:0db8:0001:0002::"];
    for (const address of one) assert.equal(addressKey(address), "2001:db8:1:2::/64");
    assert.equal(addressKey("2001:db8:1:3::1"), "2001:db8:1:3::/64");
    assert.equal(addressKey("1:2:3:4:5:6:7:8"), "1:2:3:4::/64");
    assert.equal(addressKey("::1"), "0:0:0:0::/64");
    assert.equal(addressKey("::"), "0:0:0:0::/64");
    assert.equal(addressKey("1::"), "1:0:0:0::/64");
  });

  it("the same in every zone", () => {
    assert.equal(addressKey("fe80::1%eth0"), addressKey("fe80::2%eth1"));
    assert.equal(addressKey("::ffff:10.0.0.1%lo"), "10.0.0.1");
  });

  it("as its own name where it is none", () => {
    for (const name of ["", "memory", "peer:7", "1:2:3", "%", ":::", "2001:db8::1::2"]) {
      assert.equal(addressKey(name), name);
    }
  });

  it("the same after more addresses than are remembered", () => {
    for (let i = 0; i < 5000; i += 1) {
      const group = i.toString(16);
      assert.equal(addressKey(`2001:db8:0:${group}::7`), `2001:db8:0:${group}::/64`);
    }
    assert.equal(addressKey("2001:db8::7"), "2001:db8:0:0::/64");
  });
});
