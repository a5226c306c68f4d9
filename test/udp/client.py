"""Looks for services on a LAN, written from docs/wire.md alone: datagrams by hmac and struct.

Arguments: address, port, secret, name. Asks that address by a query of 1,232 bytes and by one of 400, and prints what is
answered: a line each of the answer's length, the name and the URLs.
"""

import hashlib
import hmac
import os
import socket
import struct
import sys
import time

REQUEST, RESPONSE = 5, 6
SENDER = os.urandom(8)


def seal(secret: bytes, count: int, frame: bytes) -> bytes:
    """Section 11."""
    head = b"MRUD" + struct.pack("<IQ8sQ", 1, int(time.time() * 1000), SENDER, count)
    return head + frame + hmac.digest(secret, head + frame, hashlib.sha256)


def query(name: bytes, padding: int) -> bytes:
    """Section 3: a frame with header, payload and subject."""
    subject = struct.pack("<I", len(name)) + name + bytes(4 - len(name) % 4)
    # 4 root, 8 nothing, 12 vtable of 10 bytes and 2 of nothing, 24 table, 28 header, 44 payload, 48 subject
    parts = struct.pack("<IIHHHHHHiBBHIIIII", 20, 0, 10, 28, 4, 20, 24, 0, 12, REQUEST, 0, 0, 0, 0, 0, 4 + 4 + len(subject), 4)
    payload = struct.pack("<I", padding) + bytes(padding)
    body = parts + subject + payload
    return struct.pack("<I", len(body)) + body


class Table:
    """Section 3."""

    def __init__(self, frame: bytes, at: int):
        self.frame = frame
        self.at = at
        self.vtable = at - struct.unpack_from("<i", frame, at)[0]

    def field(self, index: int) -> int:
        (size,) = struct.unpack_from("<H", self.frame, self.vtable)
        at = 4 + 2 * index
        return self.at + struct.unpack_from("<H", self.frame, self.vtable + at)[0] if at < size else 0

    def target(self, place: int) -> int:
        return place + struct.unpack_from("<I", self.frame, place)[0]

    def bytes(self, index: int) -> bytes:
        at = self.target(self.field(index))
        (length,) = struct.unpack_from("<I", self.frame, at)
        return self.frame[at + 4 : at + 4 + length]

    def tables(self, index: int) -> list["Table"]:
        at = self.target(self.field(index))
        (count,) = struct.unpack_from("<I", self.frame, at)
        return [Table(self.frame, self.target(at + 4 + 4 * i)) for i in range(count)]


def read(secret: bytes, datagram: bytes, nonce: bytes) -> list[str]:
    signed, tag = datagram[:-32], datagram[-32:]
    assert hmac.compare_digest(tag, hmac.digest(secret, signed, hashlib.sha256))
    magic, version, when = struct.unpack_from("<4sIQ", signed)
    assert (magic, version) == (b"MRUD", 1) and abs(when / 1000 - time.time()) < 30
    frame = signed[32:]
    table = Table(frame, 4 + struct.unpack_from("<I", frame, 4)[0])
    assert frame[table.field(0)] == RESPONSE and table.bytes(1) == nonce
    urls = [entry.bytes(1).decode() for entry in table.tables(3) if entry.bytes(0) == b"url"]
    return [table.bytes(2).decode(), *urls]


def main(address: str, port: str, secret: bytes, name: bytes) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as link:
        link.settimeout(30)
        for count, size in enumerate((1232, 400)):
            padding = size - 64 - len(query(name, 0))
            asked = seal(secret, count, query(name, padding))
            assert len(asked) == size
            link.sendto(asked, (address, int(port)))
            answer, _ = link.recvfrom(65536)
            print(len(answer), *read(secret, answer, asked[16:32]))


main(sys.argv[1], sys.argv[2], sys.argv[3].encode(), sys.argv[4].encode())
