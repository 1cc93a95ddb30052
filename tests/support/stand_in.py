"""A server that answers as it is told to: for what no real cluster can be brought to say."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def server(answer, headers=()):
    """Its address; `answer` gives status and body for a path, `headers` are those of every answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # http.server's name
            status, body = answer(self.path)
            try:
                self.send_response(status)
                for header in headers:
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass  # the client has gone

        do_POST = do_GET  # noqa: N815  # as above

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        # It looks so often whether it is to end.
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()


def something(status, body):
    """A server that gives everybody the same answer."""
    return server(lambda _: (status, body))
