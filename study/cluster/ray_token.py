"""The token of a Ray cluster, from where Ray itself takes it."""

import os
from pathlib import Path


def ray_token() -> str | None:
    """The token, None where $RAY_AUTH_MODE does not ask for one, or there is none.

    In Ray's order: $RAY_AUTH_TOKEN, the file at $RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token
    (docs.ray.io, "Ray token authentication").
    """
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return None
    token = os.environ.get("RAY_AUTH_TOKEN", "")
    if not token:
        place = os.environ.get("RAY_AUTH_TOKEN_PATH")
        file = Path(place) if place else Path.home() / ".ray" / "auth_token"
        token = file.read_text(encoding="utf-8") if file.is_file() else ""
    return token.strip() or None
