"""One connection of aioquic: what the peer does on it is told, and echoed where it can be."""

import asyncio
import hashlib
import json
from collections.abc import Callable

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic import events
from aioquic.quic.connection import QuicConnection

MAX_STREAMS = 1_024
CHUNK_BYTES = 64 * 1024


class Failure(Exception):
    """Why something ended early: `reset` and `stopped` for streams; `application`, `transport` or `local`."""

    def __init__(self, kind: str, code: int | None = None, reason: str = "") -> None:
        super().__init__(kind, code, reason)
        self.kind, self.code, self.reason = kind, code, reason


def describe(failure: Failure) -> dict:
    return {"kind": failure.kind, "code": failure.code, "reason": failure.reason}


def tell(**line: object) -> None:
    print(json.dumps(line), flush=True)


class Incoming:
    """What came on a stream: counted and hashed, its first bytes and its end to be waited for."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.hash = hashlib.sha256()
        self.bytes = 0
        self.kept = bytearray()
        self.begun = loop.create_future()
        self.ended = loop.create_future()
        self.stopped = loop.create_future()

    def add(self, data: bytes) -> None:
        self.hash.update(data)
        self.bytes += len(data)
        if len(self.kept) < CHUNK_BYTES:
            self.kept += data
        if not self.begun.done():
            self.begun.set_result(None)

    def end(self, failure: Failure | None = None) -> None:
        for future in (self.begun, self.ended):
            if future.done():
                continue
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(failure)
                future.exception()  # it may be that nobody waits

    def stop(self, code: int) -> None:
        if not self.stopped.done():
            self.stopped.set_result(code)


class Connection(QuicConnectionProtocol):
    """`on_open` gives it its number; `on_failure` hears why there was no connection."""

    def __init__(
        self,
        quic: QuicConnection,
        stream_handler: object = None,
        *,
        on_open: Callable[["Connection"], int],
        on_failure: Callable[[Failure], None] | None = None,
    ) -> None:
        super().__init__(quic)
        # aioquic has no option for these; they go out with the handshake.
        quic._local_max_streams_bidi.value = MAX_STREAMS
        quic._local_max_streams_uni.value = MAX_STREAMS
        self.on_open, self.on_failure = on_open, on_failure
        self.number: int | None = None
        self.alpn: str | None = None
        self.early_data_accepted = False
        self.streams: dict[int, Incoming] = {}
        self.early_streams: set[int] = set()

    # What the peer does.

    def quic_event_received(self, event: events.QuicEvent) -> None:
        match event:
            case events.HandshakeCompleted():
                self.on_handshake(event)
            case events.StreamDataReceived():
                self.on_data(event.stream_id, event.data, event.end_stream)
            case events.StreamReset():
                self.on_failed(event.stream_id, Failure("reset", event.error_code))
            case events.StopSendingReceived():
                self.incoming(event.stream_id).stop(event.error_code)
                if not self.is_ours(event.stream_id):
                    failure = describe(Failure("stopped", event.error_code))
                    tell(event="streamFailed", connection=self.number, failure=failure)
            case events.DatagramFrameReceived():
                tell(event="datagram", connection=self.number, text=event.data.decode())
            case events.ConnectionTerminated():
                self.on_terminated(event)

    def on_handshake(self, event: events.HandshakeCompleted) -> None:
        self.alpn = event.alpn_protocol
        self.early_data_accepted = event.early_data_accepted
        self.number = self.on_open(self)
        retried = self._quic._retry_source_connection_id is not None
        if not self._quic.configuration.is_client:
            tell(event="accepted", connection=self.number, alpn=self.alpn, retried=retried, clientCertificates=0)

    def on_data(self, stream_id: int, data: bytes, ended: bool) -> None:
        if self.number is None:
            self.early_streams.add(stream_id)
        incoming = self.incoming(stream_id)
        incoming.add(data)
        if not self.is_ours(stream_id) and not is_unidirectional(stream_id) and not incoming.stopped.done():
            self.send(stream_id, data, ended)
        if not ended:
            return
        incoming.end()
        if not self.is_ours(stream_id):
            tell(
                event="stream",
                connection=self.number,
                direction="unidirectional" if is_unidirectional(stream_id) else "bidirectional",
                bytes=incoming.bytes,
                sha256=incoming.hash.hexdigest(),
                early=stream_id in self.early_streams,
            )

    def on_failed(self, stream_id: int, failure: Failure) -> None:
        self.incoming(stream_id).end(failure)
        if not self.is_ours(stream_id):
            tell(event="streamFailed", connection=self.number, failure=describe(failure))
            if not is_unidirectional(stream_id):
                self.send(stream_id, b"", True)

    def on_terminated(self, event: events.ConnectionTerminated) -> None:
        kind = "application" if event.frame_type is None else "transport"
        failure = Failure(kind, event.error_code, event.reason_phrase)
        for incoming in self.streams.values():
            incoming.end(failure)
        if self.number is not None:
            tell(event="closed", connection=self.number, failure=describe(failure))
        elif self.on_failure is not None:
            self.on_failure(failure)
        else:
            tell(event="refused", failure=describe(failure))

    # What a test asks for; the names are those of the commands.

    async def exchange(self, streams: int, bytes: int) -> dict:
        all_open = asyncio.Barrier(streams)
        ids = [self.open(is_unidirectional=False) for _ in range(streams)]
        intact = await asyncio.gather(*(self.exchange_one(id, bytes, all_open) for id in ids))
        return {"intact": sum(intact)}

    async def exchange_one(self, stream_id: int, size: int, all_open: asyncio.Barrier) -> bool:
        """Sends the first chunk, and the rest once something of it came back on every stream."""
        payload = pattern(stream_id, size)
        incoming = self.incoming(stream_id)
        if size > 0:
            self.send(stream_id, payload[:CHUNK_BYTES])
            await incoming.begun
        await all_open.wait()
        self.send(stream_id, payload[CHUNK_BYTES:], True)
        await incoming.ended
        return incoming.hash.digest() == hashlib.sha256(payload).digest()

    async def ask(self, text: str) -> dict:
        stream_id = self.open(is_unidirectional=False)
        self.send(stream_id, text.encode(), True)
        await self.incoming(stream_id).ended
        return {"answer": self.incoming(stream_id).kept.decode()}

    async def send_uni(self, bytes: int) -> dict:
        payload = pattern(0, bytes)
        self.send(self.open(is_unidirectional=True), payload, True)
        return {"sha256": hashlib.sha256(payload).hexdigest()}

    async def send_datagram(self, text: str) -> dict:
        self._quic.send_datagram_frame(text.encode())
        self.transmit()
        return {}

    async def reset(self, text: str, code: int) -> dict:
        stream_id = self.open(is_unidirectional=False)
        self.send(stream_id, text.encode())
        self._quic.reset_stream(stream_id, code)
        self.transmit()
        return {}

    async def stop_sending(self, text: str, code: int) -> dict:
        stream_id = self.open(is_unidirectional=False)
        self.send(stream_id, text.encode())
        self._quic.stop_stream(stream_id, code)
        self.send(stream_id, b"", True)
        return {}

    async def send_until_stopped(self) -> dict:
        stream_id = self.open(is_unidirectional=False)
        self.send(stream_id, bytes(CHUNK_BYTES))
        raise Failure("stopped", await self.incoming(stream_id).stopped)

    async def update_keys(self) -> dict:
        self.request_key_update()
        return {}

    async def remote(self) -> dict:
        return {"remote": "%s:%d" % self._quic._network_paths[0].addr[:2]}

    async def close_connection(self, code: int, reason: str) -> dict:
        self._quic.close(error_code=code, reason_phrase=reason)
        self.transmit()
        return {}

    # The rest.

    def open(self, is_unidirectional: bool) -> int:
        stream_id = self._quic.get_next_available_stream_id(is_unidirectional)
        self._quic.send_stream_data(stream_id, b"")  # takes the id
        return stream_id

    def send(self, stream_id: int, data: bytes, end: bool = False) -> None:
        self._quic.send_stream_data(stream_id, data, end)
        self.transmit()

    def incoming(self, stream_id: int) -> Incoming:
        if stream_id not in self.streams:
            self.streams[stream_id] = Incoming()
        return self.streams[stream_id]

    def is_ours(self, stream_id: int) -> bool:
        """RFC 9000 section 2.1."""
        return (stream_id & 1 == 0) == self._quic.configuration.is_client

    async def move(self, address: tuple[str, int]) -> None:
        """Goes on from another local address; the old one is closed."""
        before = self._transport
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=address)
        before.close()

    def local_address(self) -> str:
        return "%s:%d" % self._transport.get_extra_info("sockname")[:2]

    def connection_lost(self, _: Exception | None) -> None:
        """A socket that it has moved away from is closed: nothing to do."""


def is_unidirectional(stream_id: int) -> bool:
    return stream_id & 2 != 0


def pattern(seed: int, size: int) -> bytes:
    """Bytes that differ from stream to stream and from chunk to chunk."""
    chunks = range(0, size, CHUNK_BYTES)
    blocks = (hashlib.sha256(b"%d %d" % (seed, at)).digest() for at in chunks)
    return b"".join(block * (CHUNK_BYTES // len(block)) for block in blocks)[:size]
