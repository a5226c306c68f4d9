import fc from "fast-check";
import type { MetaEntry } from "millrace";
import type { Cursors } from "#internal/delivery/cursors.js";
import type { Hello } from "#internal/delivery/hello.js";
import type { Places } from "#internal/delivery/places.js";
import type { Terms } from "#internal/delivery/terms.js";
import type { Welcome } from "#internal/delivery/welcome.js";

const plain = { noNullPrototype: true };

export const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const positive = fc.integer({ min: 1, max: 0xffff_ffff });
const lanes = fc.constantFrom(0, 1, 2, 3, 8, 9, 15);
/** Any that is possible, often near to where the bits on the wire begin anew. */
export const sequences = fc.oneof(
  fc.integer({ min: 1, max: 1_000 }),
  fc.integer({ min: 0xffff_ff00, max: 0x1_0000_0100 }).filter((sequence) => sequence !== 0x1_0000_0000),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).filter((sequence) => sequence >>> 0 !== 0),
);
export const cursors: fc.Arbitrary<Cursors> = fc
  .array(fc.tuple(lanes, sequences), { maxLength: 5 })
  .map((entries) => new Map(entries));

const text = fc.string({ unit: "grapheme", maxLength: 20 });
const clientIds = fc.option(
  text.filter((id) => id !== "" && !/\p{Cc}/u.test(id)),
  { nil: undefined },
);
const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
const meta: fc.Arbitrary<MetaEntry[]> = fc.array(fc.record({ key: text, value: bytes(0, 20) }, plain), {
  maxLength: 3,
});

const places: fc.Arbitrary<Places> = fc
  .array(
    fc.tuple(
      text.filter((topic) => topic !== ""),
      bytes(12, 12),
    ),
    { maxLength: 3 },
  )
  .map((entries) => new Map(entries));

const terms: fc.Arbitrary<Terms> = fc.record(
  {
    heartbeatMs: fc.option(positive, { nil: undefined }),
    windowBytes: u32,
    maxMessageBytes: positive,
  },
  plain,
);

const compression = fc.oneof(bytes(1, 1), bytes(9, 9));
const compressions = fc.array(compression, { minLength: 1, maxLength: 16 });

/** With what is there only where something is compressed. */
function perhapsWith<Said>(
  said: fc.Arbitrary<Said>,
  name: "compression" | "compressions",
  values: fc.Arbitrary<unknown>,
): fc.Arbitrary<Said> {
  return fc
    .tuple(said, fc.option(values))
    .map(([all, value]) => (value === null ? all : { ...all, [name]: value }));
}

const plainHellos: fc.Arbitrary<Hello> = terms.chain((own) =>
  fc.record(
    {
      version: fc.constantFrom(1, 2, 0xffff_ffff),
      clientId: clientIds,
      token: bytes(0, 40),
      resumption: fc.option(
        fc.record({ session: bytes(16, 16), resume: bytes(1, 40), cursors, places }, plain),
        {
          nil: undefined,
        },
      ),
      heartbeatMs: fc.constant(own.heartbeatMs),
      windowBytes: fc.constant(own.windowBytes),
      maxMessageBytes: fc.constant(own.maxMessageBytes),
      meta,
      early: fc.array(bytes(0, 40), { maxLength: 3 }),
    },
    plain,
  ),
);

export const hellos: fc.Arbitrary<Hello> = perhapsWith(plainHellos, "compressions", compressions);

const plainWelcomes: fc.Arbitrary<Welcome> = terms.chain((own) =>
  fc.record(
    {
      version: fc.constant(1),
      session: bytes(16, 16),
      resume: bytes(1, 40),
      resumed: fc.boolean(),
      cursors,
      clientId: clientIds,
      heartbeatMs: fc.constant(own.heartbeatMs),
      windowBytes: fc.constant(own.windowBytes),
      maxMessageBytes: fc.constant(own.maxMessageBytes),
      meta,
      answersEarly: fc.boolean(),
    },
    plain,
  ),
);

export const welcomes: fc.Arbitrary<Welcome> = perhapsWith(plainWelcomes, "compression", compression);
