"""Reads and validates a spec, with errors that name the key, the rule and the value."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from study.errors import SpecError, nearest

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path, changes: Sequence[str]) -> dict[str, Any]:
    """The table of a file with changes of the form KEY=VALUE applied; VALUE is TOML or plain text.

    The file is TOML, or JSON if its name ends in .json, like the stored spec of a study. Raises
    SpecError if the file cannot be read or parsed (with line and column), or a change is malformed.
    """
    try:
        text = path.read_text(encoding="utf-8")
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path} is not TOML: {error}") from error
    except json.JSONDecodeError as error:
        raise SpecError(f"{path} is not JSON: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SpecError(f"cannot read the spec {path}: {reason}") from error
    for change in changes:
        _apply(table, change)
    return table


def _apply(table: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    steps = key.strip().split(".")
    if not equals or not all(steps):
        raise SpecError(f"a change must have the form KEY=VALUE, got {change!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for step in steps[:-1]:
        inner = table.setdefault(step, {})
        if not isinstance(inner, dict):
            # A shorthand such as dataset = "digits" is expanded to its table.
            known = {"dataset": "name", "objectives": "goal"}.get(steps[0])
            inner = table[step] = {} if known is None else {known: inner}
        table = inner
    table[steps[-1]] = value


def parse(model: type[Model], table: dict[str, Any]) -> Model:
    """The table as the pydantic model; raises SpecError with one line for each problem."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise SpecError("\n".join(_message(model, detail) for detail in error.errors())) from error


def _message(model: type[BaseModel], detail: ErrorDetails) -> str:
    location, known = _place(model, [str(step) for step in detail["loc"]])
    key, got, kind = ".".join(location), detail["input"], detail["type"]
    if kind == "extra_forbidden":
        text = f"unknown key {key!r}; {nearest(location[-1], known)}"
    elif kind == "missing":
        text = f"the key {key!r} must be given"
    elif kind == "string_pattern_mismatch":
        text = (
            "a name has letters, digits, '.', '_', '-' only, and starts with a letter or digit, "
            f"got {got!r} (key {key})"
        )
    elif kind == "value_error":
        text = str(detail["ctx"]["error"]) + (f" (key {key})" if key else "")
    elif kind == "literal_error":
        known = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        text = f"`{key}` must be a known name, got {got!r}; {nearest(str(got), known)}"
    elif kind in _BOUNDS:
        sign, bound = _BOUNDS[kind]
        limit = detail["ctx"][bound]
        shown = limit if isinstance(limit, int) else f"{limit:g}"
        text = f"`{key} {sign} {shown}` must hold, got {got!r}"
    elif kind in ("too_short", "string_too_long"):
        least, most = detail["ctx"].get("min_length"), detail["ctx"].get("max_length")
        rule = f">= {least}" if most is None else f"<= {most}"
        text = f"`length of {key} {rule}` must hold, got {got!r}"
    else:
        rule = detail["msg"].removeprefix("Input should be ").replace("dictionary", "table")
        text = f"`{key}` must be {rule}, got {got!r}"
    return text


# By pydantic's error type: the sign, and the key of the bound in the error's context.
_BOUNDS = {
    "greater_than": (">", "gt"),
    "greater_than_equal": (">=", "ge"),
    "less_than": ("<", "lt"),
    "less_than_equal": ("<=", "le"),
}


def _place(model: type[BaseModel], location: list[str]) -> tuple[list[str], Iterable[str]]:
    """The key at pydantic's location, and the known keys of its section."""
    section = model
    for step in location:
        if step in section.model_fields:
            section = next(_sections(section.model_fields[step].annotation), section)
    return location, section.model_fields


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401  # a type, as written
    """The sections within a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)
