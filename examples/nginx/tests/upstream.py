"""Servers that guests fetch from, and an nginx whose guest may."""

import socket
import threading
import time

from test_functions import script_server

UPSTREAM = """
    location /_fetch/ { internal; proxy_pass http://127.0.0.1:%d/; proxy_set_header Host up; }
    location = /_fetch/static { internal; return 200 static; }
    location = /_fetch/refused { internal; proxy_pass http://127.0.0.1:1; }
    location = /_fetch/missing { internal; return 404 no; }
    location /_fetch/again { internal; lucet_content script; lucet_fetch /_fetch; }
"""


class Upstream:
    """A server that answers GET /NAME: slow (after 300 ms), large (300 kB), cut (promises more than it sends; cut-empty: sends none; cut-chunks: in chunks, without the last), silent (nothing), headers
    (what it was sent)."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.seen = []
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(4096)
                if not data:
                    return
                head += data
            name = head.split(b" ")[1].decode()
            self.seen.append(head.decode())
            body, length = head, None
            if name.startswith("/slow"):
                time.sleep(0.3)
                body = b"slow"
            elif name == "/large":
                body = b"l" * 300000
            elif name == "/cut":
                body, length = b"part", 100
            elif name == "/cut-empty":
                body, length = b"", 100
            elif name == "/cut-chunks":
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Name: cut\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n")
                return
            elif name == "/chunks":
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n")
                return
            elif name == "/none":
                connection.sendall(b"HTTP/1.0 204 No Content\r\n\r\n")
                return
            elif name == "/open":
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
                return
            elif name == "/silent":
                time.sleep(30)
                return
            try:
                connection.sendall(b"HTTP/1.0 200 OK\r\nX-Name: %s\r\nContent-Length: %d\r\n\r\n"
                                   % (name.encode(), len(body) if length is None else length) + body)
            except OSError:
                pass


class Endless(Upstream):
    """A server whose answers do not end, or for /mute do not begin. `open`: how many it is giving now; `most`: at a time."""

    open = most = 0

    def serve(self, connection):
        self.open += 1
        self.most = max(self.most, self.open)
        with connection:
            try:
                head = connection.recv(4096)
                self.seen.append(head.decode())
                if not head.startswith(b"GET /mute"):
                    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                connection.settimeout(0.05)
                while True:
                    try:
                        if not connection.recv(100):
                            break
                    except TimeoutError:
                        if not head.startswith(b"GET /mute"):
                            connection.sendall(b"tick")
            except OSError:
                pass
        self.open -= 1


class Flood(Upstream):
    """A server whose answers are as large as it says, lines of "abcdefghi". `sent`: bytes so far."""

    size = 40000000
    sent = 0

    def serve(self, connection):
        piece = b"abcdefghi\n" * 6400
        with connection:
            try:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % self.size)
                left = self.size
                while left:
                    n = min(left, len(piece))
                    connection.sendall(piece[:n])
                    left -= n
                    self.sent += n
            except OSError:
                pass


def fetching(upstream, more="", **options):
    return script_server("lucet_fetch /_fetch max=8 parallel=4;" + more, server=UPSTREAM % upstream.port,
                         **options)
