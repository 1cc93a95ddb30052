"""The token of a Ray cluster, and encryption with it: apart, for the client and the job share it.

Ray keeps the files of a job, shows them in its API and unpacks them on every node. Encrypted settings
can be decrypted only with the cluster's token, whose holder can run anything there anyway.
"""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_SALT_BYTES: Final = 16
_PURPOSE: Final = b"dendritic-study: settings of a job"


def ray_token() -> str | None:
    """The token, None where $RAY_AUTH_MODE does not ask for one, or there is none.

    In Ray's order: $RAY_AUTH_TOKEN, the file at $RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token
    (docs.ray.io, "Ray token authentication").
    """
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return None
    token = os.environ.get("RAY_AUTH_TOKEN", "")
    if not token:
        path = os.environ.get("RAY_AUTH_TOKEN_PATH")
        file = Path(path) if path else Path.home() / ".ray" / "auth_token"
        token = file.read_text(encoding="utf-8") if file.is_file() else ""
    return token.strip() or None


def encrypt(settings: Mapping[str, str], token: str) -> str:
    """The settings, encrypted with a key derived from the token."""
    salt = os.urandom(_SALT_BYTES)
    cipher = Fernet(_key(token, salt)).encrypt(json.dumps(dict(settings)).encode())
    return f"{salt.hex()}:{cipher.decode()}"


def decrypt(text: str, token: str) -> dict[str, str]:
    """The settings of an encrypted text; raises ValueError for another token."""
    salt, _, cipher = text.partition(":")
    try:
        decrypted = Fernet(_key(token, bytes.fromhex(salt))).decrypt(cipher)
    except (InvalidToken, ValueError) as error:
        raise ValueError("the settings were not encrypted with this token") from error
    return {str(name): str(value) for name, value in json.loads(decrypted).items()}


def _key(token: str, salt: bytes) -> bytes:
    """A key for Fernet (RFC 5869); a token of Ray has 256 random bits, so it need not be stretched."""
    derived = HKDF(algorithm=SHA256(), length=32, salt=salt, info=_PURPOSE)
    return base64.urlsafe_b64encode(derived.derive(token.encode()))
