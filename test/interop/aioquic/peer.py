"""aioquic at the other end of a test: `peer.py server …` or `peer.py client …`.

Driven over stdin and stdout, a line of JSON each, as millrace-quinn is: ../quinn/src/command.rs says what can be
asked, ../quinn/src/report.rs what is told. Ends when stdin does.
"""

import argparse
import asyncio
import json
import sys

from aioquic.asyncio import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.tls import SessionTicket

from connection import Connection, Failure, describe, tell

MAX_DATAGRAM_FRAME_BYTES = 65_535
WINDOW_BYTES = 8 * 1024 * 1024
ANY_PORT = ("127.0.0.1", 0)


class Peer:
    """The connections, numbered from 0 in the order in which they opened, and whom a client connects to."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.connections: list[Connection] = []
        self.tickets: list[SessionTicket] = []

    def add(self, connection: Connection) -> int:
        self.connections.append(connection)
        return len(self.connections) - 1

    async def listen(self) -> str:
        tickets: dict[bytes, SessionTicket] = {}
        resumes = self.arguments.resumption or self.arguments.early_data
        configuration = self.configuration(is_client=False)
        configuration.load_cert_chain(self.arguments.cert, self.arguments.key)
        server = await serve(
            *self.arguments.bind,
            configuration=configuration,
            create_protocol=lambda *args, **kwargs: Connection(*args, on_open=self.add, **kwargs),
            retry=self.arguments.retry,
            # A ticket is good for one use.
            session_ticket_fetcher=(lambda label: tickets.pop(label, None)) if resumes else None,
            session_ticket_handler=(lambda ticket: tickets.update({ticket.ticket: ticket})) if resumes else None,
        )
        return "%s:%d" % server._transport.get_extra_info("sockname")[:2]

    async def connect(self, early: str | None = None) -> dict:
        """Connects; with `early`, asks that in 0-RTT where an earlier ticket allows it, else afterwards."""
        configuration = self.configuration(is_client=True)
        configuration.load_verify_locations(self.arguments.ca)
        if self.arguments.cert is not None:
            configuration.load_cert_chain(self.arguments.cert, self.arguments.key)
        configuration.server_name = self.arguments.server_name
        configuration.session_ticket = self.tickets.pop() if self.tickets else None
        quic = QuicConnection(configuration=configuration, session_ticket_handler=self.keep)
        opened = asyncio.get_running_loop().create_future()

        def on_open(connection: Connection) -> int:
            number = self.add(connection)
            opened.set_result(number)
            return number

        connection = Connection(quic, on_open=on_open, on_failure=opened.set_exception)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: connection, local_addr=ANY_PORT)
        connection.connect(self.arguments.server)
        asked = None if early is None else asyncio.ensure_future(connection.ask(early))
        number = await opened
        result = {"connection": number, "alpn": connection.alpn}
        if asked is not None:
            has_ticket = configuration.session_ticket is not None
            accepted = "accepted" if connection.early_data_accepted else "rejected"
            result |= await asked | {"early": accepted if has_ticket else "unavailable"}
        return result

    def keep(self, ticket: SessionTicket) -> None:
        self.tickets.append(ticket)
        tell(event="ticket")

    async def rebind(self) -> dict:
        """Moves every connection to another port."""
        for connection in self.connections:
            await connection.move(ANY_PORT)
        return {"address": self.connections[0].local_address()}

    def configuration(self, is_client: bool) -> QuicConfiguration:
        return QuicConfiguration(
            is_client=is_client,
            alpn_protocols=self.arguments.alpn,
            max_datagram_frame_size=MAX_DATAGRAM_FRAME_BYTES,
            max_data=WINDOW_BYTES,
            max_stream_data=WINDOW_BYTES,
        )

    async def do(self, request: dict) -> None:
        parameters = {name: value for name, value in request.items() if name not in ("id", "op", "connection")}
        try:
            target = self.connections[request["connection"]] if "connection" in request else self
            result = await getattr(target, method_of(request["op"]))(**parameters)
            tell(id=request["id"], result=result)
        except Failure as failure:
            tell(id=request["id"], failure=describe(failure))


def method_of(op: str) -> str:
    """`sendUni` is send_uni; `close` is the name of a method of aioquic's."""
    snake_case = "".join("_" + letter.lower() if letter.isupper() else letter for letter in op)
    return {"close": "close_connection"}.get(snake_case, snake_case)


def endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    roles = parser.add_subparsers(dest="role", required=True)
    server = roles.add_parser("server")
    server.add_argument("--bind", type=endpoint, default=ANY_PORT)
    server.add_argument("--cert", required=True)
    server.add_argument("--key", required=True)
    server.add_argument("--retry", action="store_true")
    server.add_argument("--resumption", action="store_true")
    server.add_argument("--early-data", action="store_true")
    client = roles.add_parser("client")
    client.add_argument("--server", type=endpoint, required=True)
    client.add_argument("--server-name", default="localhost")
    client.add_argument("--ca", required=True)
    client.add_argument("--cert")
    client.add_argument("--key")
    for role in (server, client):
        role.add_argument("--alpn", action="append", required=True)
    return parser.parse_args()


async def main() -> None:
    peer = Peer(parse_arguments())
    is_server = peer.arguments.role == "server"
    tell(event="ready", address=await peer.listen() if is_server else "127.0.0.1:0")
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    running = set()
    while line := await lines.readline():
        task = asyncio.create_task(peer.do(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    for connection in peer.connections:
        connection.close()


asyncio.run(main())
