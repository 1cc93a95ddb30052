"""What a study may be called: its name becomes a folder and an MLflow experiment."""

import re
from typing import Final

from study.errors import BadInputError

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""Of a name: it is one step of a path, and never one that leads upwards."""

LONGEST_NAME: Final = 100

_PATTERN: Final = re.compile(NAME_PATTERN.removesuffix("$"))


def is_name(text: str) -> bool:
    """Whether a study may be called so."""
    return len(text) <= LONGEST_NAME and _PATTERN.fullmatch(text) is not None


def checked_name(text: str) -> str:
    """The text, if a study may be called so; raises BadInputError otherwise."""
    if is_name(text):
        return text
    shown = text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."
    raise BadInputError(
        "the name of a study has letters, digits, '.', '_', '-' only, starts with a letter or digit, "
        f"and `length <= {LONGEST_NAME}` must hold, got {shown!r} of length {len(text)}"
    )


def checked_names(texts: list[str]) -> list[str]:
    """The texts, if studies may be called so; raises BadInputError otherwise."""
    return [checked_name(text) for text in texts]
