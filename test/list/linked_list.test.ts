import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Linked, LinkedList } from "#internal/list/linked_list.js";

class Item implements Linked<Item> {
  readonly id: number;
  previous: Item | undefined;
  next: Item | undefined;

  constructor(id: number) {
    this.id = id;
  }
}

describe("a linked list", () => {
  it("is like an array to which is pushed, and from which is shifted and spliced", () => {
    const step = fc.record({ action: fc.constantFrom("push", "push", "shift", "remove"), at: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const list = new LinkedList<Item>();
        const model: Item[] = [];
        for (const [id, { action, at }] of steps.entries()) {
          if (action === "push") {
            const item = new Item(id);
            list.push(item);
            model.push(item);
          } else if (action === "shift") {
            assert.equal(list.shift(), model.shift());
          } else if (model.length > 0) {
            const [item] = model.splice(at % model.length, 1);
            list.remove(item!);
          }
          assert.equal(list.length, model.length);
          assert.equal(list.first, model[0]);
        }
        for (const item of model) assert.equal(list.shift(), item);
        assert.equal(list.shift(), undefined);
      }),
    );
  });
});
