"""A port of this machine for a server that no other machine reaches.

Apart from the servers, the UI of a home and the network of a trial, which load other libraries.
"""

import socket
from contextlib import suppress
from typing import Final

from study.errors import BadInputError

HOST: Final = "127.0.0.1"
_PORTS: Final = 100


def listen(given: int | None, first: int) -> socket.socket:
    """Listens on the given port, by default on the first free one from `first`.

    Raises BadInputError if it is in use.
    """
    for port in range(first, first + _PORTS) if given is None else [given]:
        with suppress(OSError):
            return socket.create_server((HOST, port))
    raise BadInputError(f"the port must be free, got --port {given}, which is in use")
