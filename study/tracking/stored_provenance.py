"""What a study says of where it comes from: the command that ran it, versions, commit, machine."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from study.tracking.tags import COMMAND_TAG, ENVIRONMENT_TAG


@final
@dataclass(frozen=True, slots=True)
class Provenance:
    """The command of a study, None if it was not recorded, and facts of its run by their name."""

    command: str | None
    facts: dict[str, str]

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> "Provenance":
        """What the tags of a parent run say. What cannot be read counts as not recorded."""
        try:
            stored = json.loads(tags.get(ENVIRONMENT_TAG, "{}"))
        except json.JSONDecodeError:
            stored = {}
        return cls(_command(tags.get(COMMAND_TAG)), _facts(stored))


def _command(stored: str | None) -> str | None:
    """The command as it is typed; it may be stored so, or as a JSON list of its words."""
    try:
        words = json.loads(stored or "")
    except json.JSONDecodeError:
        return stored or None
    return shlex.join(map(str, words)) if isinstance(words, list) else stored


def _facts(stored: object) -> dict[str, str]:
    if not isinstance(stored, dict):
        return {}
    return {name: text for name, value in stored.items() if (text := _text(value))}


def _text(value: Any) -> str:  # noqa: ANN401  # anything that JSON holds
    if isinstance(value, dict):
        parts = (f"{name} {text}" for name, one in value.items() if (text := _text(one)))
        return ", ".join(parts)
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value)
