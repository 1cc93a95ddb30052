"""A port of this machine for a server that no other machine reaches.

Apart from the servers, the UI of a home and the network of a trial, which load other libraries.
"""

import errno
import socket
from typing import Final

from study.errors import BadInputError

HOST: Final = "127.0.0.1"
_PORTS: Final = 100


def listen(given: int | None, first: int) -> socket.socket:
    """Listens on the given port, by default on the first free one from `first`.

    Raises BadInputError if it is in use, or may not be opened.
    """
    last = first + _PORTS - 1
    for port in range(first, last + 1) if given is None else [given]:
        try:
            return socket.create_server((HOST, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise BadInputError(
                    f"it must be possible to listen on the port, got {port}: {error} (--port N)"
                ) from None
    got = f"{first} to {last}, which are" if given is None else f"--port {given}, which is"
    raise BadInputError(f"the port must be free, got {got} in use")
