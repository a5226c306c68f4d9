"""A client of millrace's messages, written from docs/wire.md alone: QUIC by aioquic, frames by struct.

Sends each line of its stdin as a message on lane 0, prints the messages that come, and closes at the last line.
An empty line sends a batch of two messages, compressed with deflate.
"""

import asyncio
import struct
import sys
import zlib

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent, StreamDataReceived

HOT = struct.Struct("<IIIHHHHiBBHIIIII")
MESSAGE, DEFLATE, BATCH = 4, 1, 8


def frame(payload: bytes, flags: int = 0) -> bytes:
    """Section 4: a hot frame."""
    head = (44 + len(payload), 16, 0, 8, 24, 4, 20, 8, MESSAGE, flags, 0, 0, 0, 0, 4, len(payload))
    return HOT.pack(*head) + payload


def batch(messages: list[bytes]) -> bytes:
    """Section 6."""
    parts = [struct.pack("<II", len(m), 0) + m + bytes(-len(m) % 8) for m in messages]
    return b"".join(parts)


def compressed(payload: bytes) -> bytes:
    """Section 6."""
    return struct.pack("<I", len(payload)) + zlib.compress(payload)


def read_hot(whole: bytes) -> bytes:
    """Section 9, step 6; whatever is not hot is not taken by this client."""
    size, root, _, *vtable, table, kind, _, _, _, _, _, offset, length = HOT.unpack_from(whole)
    hot = (root, *vtable, table, offset) == (16, 8, 24, 4, 20, 8, 4) and size == len(whole) - 4
    if not hot or kind != MESSAGE or length > len(whole) - HOT.size:
        raise ValueError("not a hot message")
    return whole[HOT.size : HOT.size + length]


class Client(QuicConnectionProtocol):
    """Section 2: streams of lanes, cut into frames."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.streams: dict[int, bytearray] = {}
        self.waiting: dict[int, int] = {}  # streams by ordinal
        self.ended: set[int] = set()
        self.current = 0

    def send(self, ordinal: int, whole: bytes) -> None:
        """Each frame on the lane's next stream."""
        stream = self._quic.get_next_available_stream_id(is_unidirectional=True)
        self._quic.send_stream_data(stream, struct.pack("<HHI", 0, 0, ordinal) + whole, end_stream=True)
        self.transmit()

    def quic_event_received(self, event: QuicEvent) -> None:
        if not isinstance(event, StreamDataReceived):
            return
        data = self.streams.setdefault(event.stream_id, bytearray())
        known = len(data) >= 8
        data += event.data
        if not known and len(data) >= 8:
            lane, zero, ordinal = struct.unpack_from("<HHI", data)
            assert (lane, zero) == (0, 0)
            self.waiting[ordinal] = event.stream_id
        if event.end_stream:
            self.ended.add(event.stream_id)
        self.take()

    def take(self) -> None:
        while (stream := self.waiting.get(self.current)) is not None:
            data, at = self.streams[stream], 8
            while len(data) - at >= 4 and len(data) - at >= (size := 4 + struct.unpack_from("<I", data, at)[0]):
                self.received.put_nowait(read_hot(bytes(data[at : at + size])))
                at += size
            del data[8:at]
            if stream not in self.ended:
                return
            self.current += 1


async def main(port: str, ca: str) -> None:
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["millrace/1"], cafile=ca)
    configuration.server_name = "localhost"
    async with connect("127.0.0.1", int(port), configuration=configuration, create_protocol=Client) as client:
        for ordinal, line in enumerate(sys.stdin.buffer.read().splitlines()):
            whole = frame(line) if line else frame(compressed(batch([b"one", b"two"])), DEFLATE | BATCH)
            client.send(ordinal, whole)
            for _ in range(1 if line else 2):
                print((await client.received.get()).decode(), flush=True)
        client.close(error_code=300, reason_phrase="done")


asyncio.run(main(*sys.argv[1:]))
