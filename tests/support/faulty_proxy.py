"""A proxy before a real server, which does to its answers what networks and busy servers do."""

import http.client
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.processes import PATIENCE_S

FAULTS = {"none": 19, "busy": 2, "lost": 2, "slow": 1, "late error": 1}
"""Of each 25 writing requests so many are refused before they reach the server, lose their answer
after the server acted, are answered later than the client waits, or with an error although it acted."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Says nothing."""

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self._fault()
        if fault == "busy":
            self._answer(503, b'{"error_code": "TEMPORARILY_UNAVAILABLE"}')
            return
        port = self.server.target
        server = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        headers = dict(self.headers.items()) | {"Host": f"127.0.0.1:{port}"}
        server.request(self.command, self.path, body, headers)
        answer = server.getresponse()
        content = answer.read()
        server.close()
        if fault == "lost":
            self.close_connection = True
        elif fault == "late error":
            self._answer(500, b'{"error_code": "INTERNAL_ERROR"}')
        else:
            time.sleep(self.server.slow_s if fault == "slow" else 0)
            self._answer(answer.status, content, answer.getheader("Content-Type"))

    def _fault(self):
        reads = self.command == "GET" or self.path.endswith("/search")
        fault = "none" if reads else self.server.draw()
        self.server.faults[fault] += 1
        self.server.requests[self.path.partition("?")[0].rpartition("mlflow/")[2]] += 1
        return fault

    def _answer(self, status, content, kind=None):
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind or "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the client did not wait

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815  # http.server's names


class FaultyProxy(ThreadingHTTPServer):
    """Forwards to the port `target`; `address` is its own.

    `faults` counts what it did, `requests` what was asked of it. `slow_s` is how late it answers.
    """

    daemon_threads = True

    def __init__(self, target, *, slow_s, weights=FAULTS):
        super().__init__(("127.0.0.1", 0), Handler)
        self.target = target
        self.slow_s = slow_s
        self.weights = weights
        self.faults = Counter()
        self.requests = Counter()
        self._random = random.Random(1)  # noqa: S311  # of a test
        self._deck = []
        self._lock = threading.Lock()
        self.address = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    def draw(self):
        """The next fault: as cards are drawn, so that each comes, however few requests there are."""
        with self._lock:
            if not self._deck:
                self._deck = [kind for kind, count in self.weights.items() for _ in range(count)]
                self._random.shuffle(self._deck)
            return self._deck.pop()

    def handle_error(self, *_):
        """Connections break here, and a server that is away refuses them."""

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
