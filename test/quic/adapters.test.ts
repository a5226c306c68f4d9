import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable, Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { describe, test } from "node:test";
import type * as quic from "millrace/quic";
import {
  ConnectionClosedError,
  InvalidArgumentError,
  MillraceError,
  ReaderLockedError,
  StreamClosedError,
  StreamResetError,
  StreamStoppedError,
} from "#internal/errors.js";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { firstStream, openPair } from "../kit/pair.js";
import { until } from "../kit/until.js";

const KiB = 1024;
const MiB = 1024 * KiB;

const loopback = await Loopback.make();

/** A connection whose server echoes every stream by itself, as Node streams. */
function echoed(t: Parameters<typeof openPair>[1]) {
  const behaviour: quic.QuicBehaviour = {
    stream(stream) {
      const duplex = stream.toDuplex();
      void pipeline(duplex, duplex);
    },
  };
  return openPair(loopback, t, { behaviour });
}

/** A stream of ours, and the codes by which its peer's side is told of a reset and a stop. */
async function streamWithCodes(t: Parameters<typeof openPair>[1]) {
  const codes = { reset: deferred<number>(), stopped: deferred<number>() };
  const { client } = await openPair(loopback, t, {
    behaviour: {
      data: () => {},
      reset: (_, code) => codes.reset.resolve(code),
      stopped: (_, code) => codes.stopped.resolve(code),
    },
  });
  return { stream: client.openStream(), codes };
}

/** A stream of ours whose peer takes no more than 64 KiB before it reads. */
async function narrow(
  t: Parameters<typeof openPair>[1],
  { behaviour }: ReturnType<typeof firstStream>,
  highWaterMarkBytes: number,
): Promise<quic.QuicStream> {
  const windows = { streamWindowBytes: 64 * KiB, connectionWindowBytes: 64 * KiB };
  const server = { behaviour, options: windows };
  const { client } = await openPair(loopback, t, server, { options: { highWaterMarkBytes } });
  return client.openStream();
}

/** A writer that takes nothing, and how much it was offered. */
async function fill(write: (chunk: Uint8Array) => boolean): Promise<number> {
  let bytes = 0;
  while (write(new Uint8Array(16 * KiB))) bytes += 16 * KiB;
  return bytes;
}

describe("a stream as a Node Duplex", () => {
  for (const size of [0, 1, 8 * MiB]) {
    test(`carries ${size} bytes through a pipeline there and back`, async (t) => {
      const { client } = await echoed(t);
      const bytes = randomBytes(size);
      const duplex = client.openStream().toDuplex();
      const parts: Buffer[] = [];
      await pipeline(
        Readable.from(size === 0 ? [] : [bytes]),
        duplex,
        async (source: AsyncIterable<Buffer>) => {
          for await (const part of source) parts.push(part);
        },
      );
      assert.deepEqual(Buffer.concat(parts), bytes);
    });
  }

  test("is one-way where the stream is", async (t) => {
    const server = firstStream();
    const { client } = await openPair(loopback, t, server);
    const up = client.openStream({ direction: "unidirectional" }).toDuplex();
    assert.deepEqual([up.readable, up.writable], [false, true]);
    up.end("text, as Buffer has it");
    const down = (await server.stream).toDuplex();
    assert.deepEqual([down.readable, down.writable], [true, false]);
    const parts: Buffer[] = [];
    for await (const part of down) parts.push(part as Buffer);
    assert.equal(Buffer.concat(parts).toString(), "text, as Buffer has it");
    await finished(up);
  });

  test("tells its writer to wait above the high-water mark, and goes on when the reader reads", async (t) => {
    const server = firstStream();
    const stream = await narrow(t, server, 256 * KiB);
    const writer = stream.toDuplex();
    let sent = await fill((chunk) => writer.write(chunk));
    writer.on("drain", async () => {
      sent += await fill((chunk) => writer.write(chunk));
    });
    const theirs = await server.stream;
    const reader = theirs.toDuplex();
    let queued = 0;
    await until("the writer waits", () => {
      const before = queued;
      queued = stream.bytesQueued;
      return queued === before && queued >= 128 * KiB && writer.writableNeedDrain;
    });
    // What the peer took: a window, a stream's share of the ring, and what Node's own queue holds.
    assert.ok(theirs.bytesReceived <= 512 * KiB, `${theirs.bytesReceived} came`);
    const stuck = sent;
    let read = 0;
    reader.on("data", (chunk: Buffer) => {
      read += chunk.length;
    });
    await until("it goes on", () => sent > 2 * stuck && read > stuck);
    writer.destroy();
    await assert.rejects(finished(reader), StreamResetError);
  });

  test("resets and stops with the code of the error that destroys it", async (t) => {
    const { stream, codes } = await streamWithCodes(t);
    const duplex = stream.toDuplex();
    duplex.write("begun");
    await until("it arrived", () => stream.bytesQueued === 0);
    const error = Object.assign(new Error("no"), { applicationCode: 77 });
    duplex.destroy(error);
    await assert.rejects(finished(duplex), error);
    assert.deepEqual([await codes.reset.promise, await codes.stopped.promise], [77, 77]);
    await stream.closed;
  });

  test("is destroyed by the peer's reset, with its code", async (t) => {
    const server = firstStream();
    const { client } = await openPair(loopback, t, server);
    const duplex = client.openStream().toDuplex();
    duplex.write("?");
    (await server.stream).reset(9);
    await assert.rejects(finished(duplex), (error: Error) => {
      return error instanceof StreamResetError && error.applicationCode === 9;
    });
  });

  test("is destroyed when its connection ends first", async (t) => {
    const server = firstStream();
    const { client, server: accepted } = await openPair(loopback, t, server);
    const duplex = client.openStream().toDuplex();
    duplex.write("?");
    await server.stream;
    const rejected = assert.rejects(finished(duplex), ConnectionClosedError);
    await accepted.close({ graceful: false });
    await rejected;
  });

  test("reads on after the peer wants no more, and fails at the next write", async (t) => {
    const server = firstStream();
    const { client } = await openPair(loopback, t, server);
    const stream = client.openStream();
    const duplex = stream.toDuplex();
    duplex.write("?");
    const theirs = await server.stream;
    theirs.stopSending(5);
    theirs.write(Buffer.from("answer"));
    const [chunk] = (await new Promise((resolve) => duplex.once("data", (...all) => resolve(all)))) as [
      Buffer,
    ];
    assert.equal(chunk.toString(), "answer");
    await until("the stop has come", () => !stream.writable);
    duplex.write("more");
    await assert.rejects(finished(duplex), (error: Error) => {
      return error instanceof StreamStoppedError && error.applicationCode === 5;
    });
  });
});

describe("a stream as Web Streams", () => {
  test("carries 8 MiB there and back, by pipeTo", async (t) => {
    const { client } = await openPair(loopback, t, {
      behaviour: {
        stream(stream) {
          const { readable, writable } = stream.toWebStreams();
          void readable!.pipeTo(writable!);
        },
      },
    });
    const bytes = randomBytes(8 * MiB);
    const { readable, writable } = client.openStream().toWebStreams();
    const source = new Blob([bytes]).stream() as ReadableStream<Uint8Array>;
    const parts: Uint8Array[] = [];
    const sink = new WritableStream<Uint8Array>({ write: (chunk) => void parts.push(chunk) });
    await Promise.all([source.pipeTo(writable!), readable!.pipeTo(sink)]);
    assert.ok(Buffer.concat(parts).equals(bytes));
  });

  test("fills the buffers of a BYOB reader, to the end", async (t) => {
    const server = firstStream();
    const { client } = await openPair(loopback, t, server);
    const stream = client.openStream({ direction: "unidirectional" });
    stream.write(Buffer.from("twelve bytes"));
    stream.end();
    const { readable, writable } = (await server.stream).toWebStreams();
    assert.equal(writable, undefined);
    const reader = readable!.getReader({ mode: "byob" });
    let text = "";
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(5));
      text += Buffer.from(value!).toString();
      if (done) break;
    }
    assert.equal(text, "twelve bytes");
  });

  test("lets its writer wait while the peer does not read", async (t) => {
    const server = firstStream();
    const stream = await narrow(t, server, 128 * KiB);
    const writer = stream.toWebStreams().writable!.getWriter();
    let written = 0;
    const total = 4 * MiB;
    const writing = (async () => {
      for (; written < total; written += 16 * KiB) await writer.write(new Uint8Array(16 * KiB));
      await writer.close();
    })();
    const { readable } = (await server.stream).toWebStreams();
    let before = -1;
    await until("it waits", () => {
      const same = before === written && stream.bytesQueued >= 64 * KiB;
      before = written;
      return same;
    });
    assert.ok(written <= 256 * KiB + 64 * KiB + 128 * KiB, `${written} were written`);
    let read = 0;
    for await (const chunk of readable!) read += chunk.length;
    assert.equal(read, total);
    await writing;
  });

  test("turns cancel and abort into a stop and a reset with their code", async (t) => {
    const { stream, codes } = await streamWithCodes(t);
    const { readable, writable } = stream.toWebStreams();
    const writer = writable!.getWriter();
    await writer.write(new Uint8Array(1));
    await readable!.cancel(31);
    await writer.abort(Object.assign(new Error("no"), { applicationCode: 32 }));
    assert.deepEqual([await codes.stopped.promise, await codes.reset.promise], [31, 32]);
    await stream.closed;
  });

  test("turns the peer's reset and stop into errors of each half", async (t) => {
    const server = firstStream();
    const { client } = await openPair(loopback, t, server);
    const { readable, writable } = client.openStream().toWebStreams();
    const writer = writable!.getWriter();
    await writer.write(new Uint8Array(1));
    const theirs = await server.stream;
    theirs.reset(51);
    theirs.stopSending(52);
    await assert.rejects(readable!.getReader().read(), (error: Error) => {
      return error instanceof StreamResetError && error.applicationCode === 51;
    });
    await assert.rejects(writer.closed, (error: Error) => {
      return error instanceof StreamStoppedError && error.applicationCode === 52;
    });
  });

  test("refuses to write what is no bytes", async (t) => {
    const { client } = await openPair(loopback, t);
    const writer = client.openStream().toWebStreams().writable!.getWriter();
    await assert.rejects(writer.write("text" as never), InvalidArgumentError);
  });
});

/** Writes more than the peer takes, by one adapter or the other: each write's outcome. */
const adapters: Readonly<Record<string, (stream: quic.QuicStream, chunk: Uint8Array) => Promise<unknown>[]>> =
  {
    Duplex(stream, chunk) {
      const duplex = stream.toDuplex();
      duplex.on("error", () => {});
      return [1, 2].map(() => new Promise((resolve) => duplex.write(chunk, resolve)));
    },
    "web stream"(stream, chunk) {
      const writer = stream.toWebStreams().writable!.getWriter();
      writer.closed.catch(() => {});
      return [1, 2].map(() => writer.write(chunk).catch((error: unknown) => error));
    },
  };

for (const [name, writeTwice] of Object.entries(adapters)) {
  describe(`a write that waits in a ${name} is told`, () => {
    const chunk = new Uint8Array(512 * KiB);

    test("that the stream was reset past it", async (t) => {
      const stream = await narrow(t, firstStream(), 256 * KiB);
      const writes = writeTwice(stream, chunk);
      await until("it waits", () => stream.bytesQueued >= 256 * KiB);
      stream.reset(5);
      for (const error of await Promise.all(writes)) assert.ok(error instanceof StreamClosedError);
    });

    test("what became of it when the stream was ended past it and the peer reads", async (t) => {
      const first = firstStream();
      const stream = await narrow(t, first, 256 * KiB);
      const [taken, late] = writeTwice(stream, chunk);
      await until("it waits", () => stream.bytesQueued >= 256 * KiB);
      stream.end();
      let bytes = 0;
      for await (const chunks of await first.stream) for (const part of chunks) bytes += part.length;
      assert.equal(bytes, chunk.length);
      assert.equal((await taken) ?? undefined, undefined);
      assert.ok((await late) instanceof StreamClosedError);
    });

    test("that the connection has gone, also when the stream was ended past it", async (t) => {
      const stream = await narrow(t, firstStream(), 256 * KiB);
      const writes = writeTwice(stream, chunk);
      await until("it waits", () => stream.bytesQueued >= 256 * KiB);
      stream.end();
      await stream.connection.close({ graceful: false });
      for (const error of await Promise.all(writes)) assert.ok(error instanceof MillraceError);
    });
  });
}

test("a WritableStream is aborted at once, whatever waits in it for a peer that does not read", async (t) => {
  const reset = deferred<number>();
  const first = firstStream({ reset: (_stream, code) => reset.resolve(code) });
  const stream = await narrow(t, first, 256 * KiB);
  const writer = stream.toWebStreams().writable!.getWriter();
  writer.closed.catch(() => {});
  const writing = assert.rejects(writer.write(new Uint8Array(512 * KiB)));
  await until("it waits", () => stream.bytesQueued >= 256 * KiB);
  await writer.abort(9);
  await writing;
  assert.equal(await reset.promise, 9);
});

test("a Duplex that dies in the middle of a write takes nothing from what keeps the process alive", async (t) => {
  for (let i = 0; i < 5; i++) {
    const stream = await narrow(t, firstStream(), 256 * KiB);
    const duplex = stream.toDuplex();
    const failed = deferred<Error>();
    await stream.opened;
    duplex.on("error", failed.resolve);
    duplex.write(new Uint8Array(512 * KiB));
    await until("it waits", () => stream.bytesQueued >= 256 * KiB);
    await stream.connection.close({ graceful: false });
    assert.ok((await failed.promise) instanceof ConnectionClosedError);
    await stream.closed;
  }
  // Nothing but QUIC holds the event loop now; it would end before this does.
  const { client } = await echoed(t);
  const stream = client.openStream();
  stream.write(Uint8Array.of(1));
  stream.end();
  for await (const chunks of stream)
    assert.deepEqual(
      chunks.flatMap((chunk) => [...chunk]),
      [1],
    );
});

test("a stream has one adapter, also where there is nothing to read", async (t) => {
  const { client } = await openPair(loopback, t);
  for (const direction of ["unidirectional", "bidirectional"] as const) {
    const stream = client.openStream({ direction });
    stream.toWebStreams();
    assert.throws(() => stream.toWebStreams(), ReaderLockedError);
    assert.throws(() => stream.toDuplex(), ReaderLockedError);
  }
});

test("a Node Writable that fails in a pipeline stops the peer", async (t) => {
  const stopped = deferred<number>();
  const server = firstStream();
  const { client } = await openPair(loopback, t, server, {
    behaviour: { stopped: (_, code) => stopped.resolve(code) },
  });
  client.openStream().write(new Uint8Array(10));
  const failing = new Writable({ write: (_chunk, _encoding, done) => done(new Error("disk full")) });
  await assert.rejects(pipeline((await server.stream).toDuplex(), failing), { message: "disk full" });
  assert.equal(await stopped.promise, 0);
});
