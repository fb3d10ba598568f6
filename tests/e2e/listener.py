"""Stands in for every service of the bookstore: answers any request with 200, and PostgreSQL's SSLRequest with N."""

import socketserver
import sys


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        asked = self.request.recv(65536)
        if asked[:4] == b"\0\0\0\x08":
            self.request.sendall(b"N")
            self.request.recv(65536)
        elif asked:
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


_Server(("", int(sys.argv[1])), _Handler).serve_forever()
