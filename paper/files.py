"""Where specs, claims and summaries lie, and how they are read."""

import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

import study
from paper.claims import KINDS, Claim, nearest

_ROOT: Final = Path(__file__).parents[1]

SPECS: Final = _ROOT / "paper" / "specs"
RESULTS: Final = _ROOT / "paper" / "results"
DOCS: Final = _ROOT / "docs"

Summary: TypeAlias = dict[str, Any]
"""The content of `paper.summary.summary`."""

_CLAIM: Final[TypeAdapter[Claim]] = TypeAdapter(Claim)
_CLAIMS: Final = ".claims"
_BOUNDS: Final = {
    "greater_than": (">", "gt"),
    "greater_than_equal": (">=", "ge"),
    "less_than": ("<", "lt"),
    "less_than_equal": ("<=", "le"),
}
"""Pydantic's name of each bound: the sign, and where its message keeps the number."""


def read(folder: Path = RESULTS) -> list[Summary]:
    """The summaries in a folder, by name."""
    files = sorted(folder.glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def spec_files(folder: Path = SPECS) -> list[Path]:
    """The specs in a folder, by name."""
    return sorted(file for file in folder.glob("*.toml") if not file.stem.endswith(_CLAIMS))


def claims_file(spec: Path) -> Path:
    """The file of the claims beside a spec."""
    return spec.with_name(f"{spec.stem}{_CLAIMS}.toml")


def read_claims(spec: Path) -> tuple[Claim, ...]:
    """The claims beside a spec; none if there is no such file.

    Raises BadInputError that names the key, the rule and the value, or the line and column.
    """
    file = claims_file(spec)
    if not file.exists():
        return ()
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise study.BadInputError(f"{file} is not TOML: {error}") from error
    except OSError as error:
        raise study.BadInputError(f"cannot read the claims {file}: {error.strerror}") from error
    if set(table) - {"claims"}:
        raise study.BadInputError(
            f"{file} must have tables [[claims]] only, got {', '.join(table)}"
        )
    return claims_of(table.get("claims", []))


def claims_of(tables: Iterable[object]) -> tuple[Claim, ...]:
    """The claims that tables hold; raises BadInputError like `read_claims`."""
    found, problems = [], []
    for place, table in enumerate(tables):
        try:
            found.append(_CLAIM.validate_python(table))
        except ValidationError as error:
            problems += [_message(f"claims.{place}", detail) for detail in error.errors()]
    if problems:
        raise study.BadInputError("\n".join(problems))
    return tuple(found)


def _message(claim: str, detail: ErrorDetails) -> str:
    kind, *location = [*map(str, detail["loc"]), ""][:-1] or [""]
    key, got, error = ".".join([claim, *location]), detail["input"], detail["type"]
    context: dict[str, Any] = detail.get("ctx") or {}
    if error == "extra_forbidden":
        known = KINDS[kind].model_fields
        text = f"unknown key {key!r}; {nearest(location[-1], known)}"
    elif error == "union_tag_invalid":
        kinds = re.findall(r"'([^']*)'", context["expected_tags"])
        text = f"unknown kind {context['tag']!r}; {nearest(context['tag'], kinds)} (key {key}.kind)"
    elif error == "union_tag_not_found":
        text = f"the key '{key}.kind' must be given"
    elif error == "missing":
        text = f"the key {key!r} must be given"
    elif error == "value_error":
        text = f"{context['error']} (key {key})"
    elif error == "literal_error":
        known_names = re.findall(r"'([^']*)'", context["expected"])
        text = f"`{key}` must be a known name, got {got!r}; {nearest(str(got), known_names)}"
    elif error in _BOUNDS:
        sign, bound = _BOUNDS[error]
        text = f"`{key} {sign} {context[bound]:g}` must hold, got {got!r}"
    elif error in {"too_short", "string_too_long"}:
        least, most = context.get("min_length"), context.get("max_length")
        rule = f">= {least}" if most is None else f"<= {most}"
        text = f"`length of {key} {rule}` must hold, got {got!r}"
    else:
        rule = detail["msg"].removeprefix("Input should be ").replace("dictionary", "table")
        text = f"`{key}` must be {rule}, got {got!r}"
    return text
