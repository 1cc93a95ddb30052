"""Reads and validates a spec, with errors that name the key, the rule and the value."""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from study.errors import SpecError, echo, echo_key, nearest
from study.spec.sections import dataset_table

Model = TypeVar("Model", bound=BaseModel)

_MOST_BYTES: Final = 250_000
_MOST_DOTS: Final = 200  # in a line: the time of tomllib is quadratic in the steps of a key
_MOST_PROBLEMS: Final = 20  # in a message
_TOO_DEEP: Final = "tables and lists must not be nested so deeply"


def read_toml(path: Path, changes: Sequence[str]) -> dict[str, Any]:
    """The table of a file with changes of the form KEY=VALUE applied; VALUE is TOML or plain text.

    The file is TOML, or JSON if its name ends in .json, like the stored spec of a study. Raises
    SpecError if the file is too large or cannot be read or parsed (with line and column), or a change
    is malformed.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise SpecError(f"`bytes of {path} <= {_MOST_BYTES}` must hold, got more")
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SpecError(f"cannot read the spec {path}: {reason}") from error
    return with_changes(_json(text, path) if path.suffix == ".json" else _toml(text, path), changes)


def with_changes(table: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Applies changes as those of `read_toml` to a table, and returns it. Raises SpecError."""
    for change in changes:
        _apply(table, change)
    return table


def _toml(text: str, source: object) -> dict[str, Any]:
    """Parses TOML; raises SpecError, with the source, if it is invalid."""
    if any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
        raise SpecError(f"a line of {source} must have at most {_MOST_DOTS} dots, got more")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        hint = '; text needs quotes, as in name = "mine"' if "Invalid value" in str(error) else ""
        raise SpecError(f"{source} is not TOML: {error}{hint}") from error
    except (RecursionError, ValueError) as error:
        raise SpecError(f"{source} cannot be read: {_reason(error)}") from error


def _json(text: str, source: object) -> dict[str, Any]:
    """Parses a JSON object; raises SpecError like `_toml`."""
    try:
        table = json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(f"{source} is not JSON: {error}") from error
    except (RecursionError, ValueError) as error:
        raise SpecError(f"{source} cannot be read: {_reason(error)}") from error
    if not isinstance(table, dict):
        raise SpecError(f"{source} must hold a table, got {echo(table)}")
    return table


def _reason(error: Exception) -> str:
    """The reason of an error at Python's limits of nesting and of digits."""
    return _TOO_DEEP if isinstance(error, RecursionError) else str(error).partition(";")[0]


def _apply(table: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    steps = key.strip().split(".")
    if not equals or not all(steps):
        raise SpecError(f"a change must have the form KEY=VALUE, got {echo(change)}")
    try:
        value = _toml(f"value = {text}", f"the change of {echo(key)}")["value"]
    except SpecError as error:
        if not isinstance(error.__cause__, tomllib.TOMLDecodeError):
            raise
        value = text.strip()
    for depth, step in enumerate(steps[:-1]):
        inner = table.setdefault(step, {})
        if not isinstance(inner, dict):
            # A name replaces all that the short form says.
            named = steps == ["dataset", "name"]
            inner = table[step] = {} if named else _expanded(steps[: depth + 1], inner)
        table = inner
    table[steps[-1]] = value


def _expanded(steps: Sequence[str], short: object) -> dict[str, Any]:
    """The table for which a short form stands, such as `dataset = "digits"`, by its key in steps.

    Raises SpecError for a key that has none, and of an unknown data set.
    """
    match steps:
        case ["objectives", _]:
            return {"goal": short}
        case ["space", _]:  # a value or a list, in place of a range
            return {}
        case ["dataset"]:
            return _dataset_table(short)
    raise SpecError(f"`{echo_key('.'.join(steps))}` must be a table, got {echo(short)}")


def _dataset_table(short: object) -> dict[str, Any]:
    try:
        table = dataset_table(short)
    except ValueError as error:
        raise SpecError(f"{error} (key dataset)") from error
    return table if isinstance(table, dict) else {"name": short}


def parse(model: type[Model], table: dict[str, Any]) -> Model:
    """The table as the pydantic model; raises SpecError with one line for each problem."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        lines = [_message(model, one) for one in problems[:_MOST_PROBLEMS]]
        if len(problems) > len(lines):
            lines.append(f"and {len(problems) - len(lines)} more problems")
        raise SpecError("\n".join(lines)) from error


def _message(model: type[BaseModel], detail: ErrorDetails) -> str:
    location = [str(step) for step in detail["loc"]]
    known: Iterable[str] = _known_keys(model, location)
    key, got, kind = echo_key(".".join(location)), echo(detail["input"]), detail["type"]
    if kind == "extra_forbidden":
        text = f"unknown key {key!r}; {_nearest_key(model, location, known)}"
    elif kind == "missing":
        text = f"the key {key!r} must be given"
    elif not key and kind == "model_type":
        text = f"a spec must be a table, got {got}"
    elif kind == "string_unicode":  # of a value, or of an unknown key beside it
        text = f"text must be Unicode, got {got}" + (f" (key {key})" if key else "")
    elif kind == "string_pattern_mismatch":
        text = (
            "a name has letters, digits, '.', '_', '-' only, and starts with a letter or digit, "
            f"got {got} (key {key})"
        )
    elif kind == "value_error":
        text = str(detail["ctx"]["error"]) + (f" (key {key})" if key else "")
    elif kind == "literal_error":
        known = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        text = f"`{key}` must be a known name, got {got}; {nearest(echo_key(got), known)}"
    elif kind in _BOUNDS:
        sign, bound = _BOUNDS[kind]
        limit = detail["ctx"][bound]
        shown = limit if isinstance(limit, int) else f"{limit:g}"
        text = f"`{key} {sign} {shown}` must hold, got {got}"
    elif kind in ("too_short", "too_long", "string_too_long"):
        least, most = detail["ctx"].get("min_length"), detail["ctx"].get("max_length")
        rule = f">= {least}" if most is None else f"<= {most}"
        text = f"`length of {key} {rule}` must hold, got {got}"
    else:
        rule = re.sub("^Input should", " must", detail["msg"])
        rule = re.sub("dictionary( or instance of .*)?$", "table", rule).replace("tuple", "list")
        text = f"`{key}`{rule if rule.startswith(' ') else f': {rule}'}, got {got}"
    return text


# By pydantic's error type: the sign, and the key of the bound in the error's context.
_BOUNDS = {
    "greater_than": (">", "gt"),
    "greater_than_equal": (">=", "ge"),
    "less_than": ("<", "lt"),
    "less_than_equal": ("<=", "le"),
}


def _known_keys(model: type[BaseModel], location: list[str]) -> Iterable[str]:
    """The keys of the section at pydantic's location."""
    section = model
    for step in location:
        if step in section.model_fields:
            section = next(_sections(section.model_fields[step].annotation), section)
    return section.model_fields


def _nearest_key(model: type[BaseModel], location: list[str], known: Iterable[str]) -> str:
    """The hint of `nearest`, which also finds keys of other tables, such as `space.synapses`."""
    elsewhere = {key.rpartition(".")[2]: key for key in _dotted_keys(model)}
    name, own = location[-1], list(known)
    close = difflib.get_close_matches(name, [*own, *elsewhere], n=1, cutoff=0.5)
    if not close:
        return nearest(name, own)
    table = f"{location[0]}." if len(location) == 2 else ""  # noqa: PLR2004  # a table and its key
    wanted = f"{table}{close[0]}" if close[0] in own else elsewhere[close[0]]
    return f"did you mean {wanted!r}? known: {', '.join(own)}"


def keys_of(model: type[BaseModel]) -> list[str]:
    """All keys of a spec that hold a value, those of its tables with the table: `space.synapses`."""
    tables = {key.partition(".")[0] for key in _dotted_keys(model)}
    return [*(name for name in model.model_fields if name not in tables), *_dotted_keys(model)]


def _dotted_keys(model: type[BaseModel]) -> Iterator[str]:
    """The keys of the tables of a spec, such as `space.synapses`."""
    for name, field in model.model_fields.items():
        for section in _sections(field.annotation):
            yield from (f"{name}.{key}" for key in section.model_fields)


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401  # a type, as written
    """The sections within a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)
