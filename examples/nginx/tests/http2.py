"""http2.py: as much of an HTTP/2 client as the tests need: several streams on one connection, windows, and streams that are given up. Requests
are sent without compression; of responses it reads the status if nginx sends it as an index, as it does for the usual ones, and the body."""

import socket
import struct

from harness import Failure, check

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
STATUS = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}  # the static table


class Stream:
    def __init__(self):
        self.status, self.body, self.ended, self.reset = None, b"", False, False


class Connection:
    def __init__(self, port, window=1 << 20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.streams, self.next, self.buffer = {}, 1, b""
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def frame(self, kind, flags, stream, payload=b""):
        self.socket.sendall(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload)

    @staticmethod
    def literal(name, value):
        def text(t):
            t = t.encode()
            check(len(t) < 127, "short texts only")
            return bytes([len(t)]) + t

        return b"\x00" + text(name) + text(value)

    def request(self, target, method="GET", body=None, end=True):
        """Opens a stream and answers its number."""
        number = self.next
        self.next += 2
        block = b"".join(self.literal(*h) for h in ((":method", method), (":scheme", "http"), (":path", target), (":authority", "test")))
        self.streams[number] = Stream()
        self.frame(HEADERS, END_HEADERS | (END_STREAM if body is None and end else 0), number, block)
        if body is not None:
            self.data(number, body, end)
        return number

    def data(self, number, body, end):
        for at in range(0, len(body) or 1, 16384):
            piece = body[at : at + 16384]
            self.frame(DATA, END_STREAM if end and at + 16384 >= len(body) else 0, number, piece)

    def reset(self, number):
        self.frame(RST_STREAM, 0, number, struct.pack(">I", 8))

    def widen(self, number, by):
        for stream in (0, number):
            self.frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", by))

    def take(self, length):
        while len(self.buffer) < length:
            data = self.socket.recv(65536)
            if not data:
                raise Failure("the connection ends")
            self.buffer += data
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        return data

    def step(self):
        """One frame."""
        head = self.take(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        number = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        payload = self.take(length)
        stream = self.streams.get(number)
        if kind == SETTINGS and not flags & ACK:
            self.frame(SETTINGS, ACK, 0)
        elif kind == PING and not flags & ACK:
            self.frame(PING, ACK, 0, payload)
        elif kind == GOAWAY:
            raise Failure(f"GOAWAY {payload!r}")
        elif kind == HEADERS and stream:
            stream.status = STATUS.get(payload[0] & 0x7F) if payload[0] & 0x80 else -1
        elif kind == DATA and stream:
            stream.body += payload
        elif kind == RST_STREAM and stream:
            stream.reset = stream.ended = True
        if stream and kind in (DATA, HEADERS) and flags & END_STREAM:
            stream.ended = True

    def response(self, number):
        while not self.streams[number].ended:
            self.step()
        return self.streams[number]
