"""Generates the reference from the code: the keys of a spec, the commands and the public names."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FunctionType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from typer.main import get_command

import models
import study
from study.cli.app import app
from study.spec.dimensions import Names, Numbers, TeacherNames, to_plain
from study.spec.sections import Section
from study.spec.study_spec import StudySpec

_NOTE = "% Generated from the code by docs/reference.py; do not edit.\n\n"
_INTRODUCTION = """\
A spec is a TOML file. Unknown keys and invalid values are rejected before anything starts.
`--set space.synapses=8` changes a key on the command line.
"""
_TABLES = ("dataset", "objectives", "space", "budget", "stopping", "resources", "storage")


def pages() -> dict[str, str]:
    """The text of each page, by the name of its file."""
    made = {"spec_keys.md": spec_keys(), "commands.md": commands(), "python.md": python()}
    return {name: _NOTE + text for name, text in made.items()}


def spec_keys() -> str:
    """The keys of the spec, then those of each of its tables."""
    parts = [
        "# Spec keys\n",
        _INTRODUCTION,
        *_section(StudySpec, ""),
    ]
    for name in _TABLES:
        model = StudySpec.model_fields[name].annotation
        if isinstance(model, type) and issubclass(model, Section):
            parts += [
                f"## `[{name}]`\n",
                f"{_linked(inspect.getdoc(model) or '')}\n",
                *_section(model, name),
            ]
    return "\n".join(parts)


def _section(model: type[Section], table: str) -> Iterator[str]:
    meanings = descriptions(model)
    for name, field in model.model_fields.items():
        key = f"{table}.{name}" if table else name
        yield f"`{key}`\n: {meanings[name]}\n\n  {_type(field)}; {_default(field)}\n"


def descriptions(model: type[Section]) -> dict[str, str]:
    """The docstring below each field of a table, in one line. Raises KeyError if one is missing."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101  # it is the source of a class
    found = {
        field.target.id: " ".join(text.value.value.split())
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
    return {name: _linked(found[name]) for name in model.model_fields}


def _linked(text: str) -> str:
    """The text with links to the pages that it names."""
    return re.sub(
        r"docs/(\w+)\.md", lambda page: f"[{page[1].replace('_', ' ')}]({page[1]}.md)", text
    )


def _type(field: FieldInfo) -> str:
    for rule in (getattr(one, "func", None) for one in field.metadata):
        if isinstance(rule, Numbers):
            kind = "integer" if rule.kind is int else "number"
            return f"{kind}, {rule.low:,} to {rule.high:,}"
        if isinstance(rule, Names):
            return ", ".join(f"`{name}`" for name in rule.known)
        if isinstance(rule, TeacherNames):
            return "string"
    return _named(field.annotation) + _limits(field)


def _named(annotation: Any) -> str:  # noqa: ANN401  # a type, or what typing makes of one
    options = [one for one in get_args(annotation) if one is not type(None)]
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{name}`" for name in options)
    if annotation in _NAMES:
        return _NAMES[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "table"
    if get_origin(annotation) is tuple:
        item = get_origin(options[0])
        item = get_args(options[0])[0] if item is Annotated else item
        return f"list of {({dict: 'tables', int: 'integers'}).get(item, 'strings')}"
    if get_origin(annotation) is dict:
        return "table of metrics"
    # An optional value with limits.
    inner = options[0]
    return (
        _named(get_args(inner)[0]) + _limits(*get_args(inner)[1:])
        if get_args(inner)
        else _named(inner)
    )


_NAMES = {int: "integer", float: "number", str: "string", bool: "boolean", Path: "path"}


_VALUES = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


def _limits(*fields: FieldInfo) -> str:
    texts = []
    for limit in (one for field in fields for one in getattr(field, "metadata", ())):
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            value = getattr(limit, name, None)
            if value is not None:
                texts.append(f"{sign} {value:,}")
        if getattr(limit, "max_length", None) is not None:
            texts.append(f"length ≤ {limit.max_length:,}")
    return "".join(f", {text}" for text in texts)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, Section):
        return "see below"
    plain = to_plain(value) if hasattr(value, "values") and not isinstance(value, dict) else value
    plain = to_plain(value) if hasattr(value, "low") else plain
    if plain is None or plain == ():
        return "default: none"
    return f"default: `{_toml(plain)}`"


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case str() | Path():
            return f'"{value}"'
        case _:
            return f"{value:g}" if isinstance(value, float) else str(value)


def commands() -> str:
    """Each command with its help, arguments and options."""
    group: Any = get_command(app)
    parts = ["# Commands\n", f"{group.help}\n"]
    for name, command in sorted(group.commands.items()):
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        options = [one for one in command.params if one.param_type_name == "option"]
        usage = " ".join(
            [
                "study",
                name,
                *(_usage(one) for one in arguments),
                *(["[OPTIONS]"] if options else []),
            ]
        )
        parts += [f"## `study {name}`\n", f"{inspect.cleandoc(command.help)}\n"]
        parts += [f"```text\n{usage}\n```\n"]
        rows = [(f"`{_argument(one)}`", one) for one in arguments]
        rows += [(_flags(one), one) for one in options]
        parts += ["| argument or option | meaning |\n|---|---|"]
        parts += [f"| {label} | {_meaning(one)} |" for label, one in rows]
        parts += [""]
    return "\n".join(parts)


def _usage(argument: Any) -> str:  # noqa: ANN401  # of the library that typer brings along
    name = _argument(argument) + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _argument(argument: Any) -> str:  # noqa: ANN401  # as above
    return (argument.metavar or argument.name.upper()).strip("[]")


def _flags(option: Any) -> str:  # noqa: ANN401  # as above
    kind = option.type_descriptor.annotation
    (kind,) = get_args(kind) or (kind,)
    value = "" if option.is_flag else f" {option.metavar or _VALUES[kind]}"
    names = f"`{', '.join(option.opts)}{value}`"
    if option.secondary_opts:
        names += f" / `{', '.join(option.secondary_opts)}`"
    return names.replace("|", "\\|")


def _meaning(parameter: Any) -> str:  # noqa: ANN401  # as above
    text = (getattr(parameter, "help", None) or "").replace("|", "\\|")
    shown = parameter.show_default
    default = shown if isinstance(shown, str) else parameter.default
    if default in (None, False, (), []) or callable(default) or default is Ellipsis:
        return text
    return (
        f"{text} Default: {default}." if isinstance(shown, str) else f"{text} Default: `{default}`."
    )


def python() -> str:
    """The public names of both packages."""
    parts = ["# Python\n", "The public names of `study` and `models`: functions, then classes.\n"]
    for package in (study, models):
        parts += [f"## `{package.__name__}`\n", f"{inspect.getdoc(package)}\n"]
        names = package.__all__
        directives: list[str] = []
        for public in sorted(names, key=lambda name: isinstance(getattr(package, name), type)):
            value, name = getattr(package, public), f"{package.__name__}.{public}"
            if inspect.ismodule(value):
                parts += _fenced(directives)
                parts += [f"### `{name}`\n"]
                parts += _fenced([f".. automodule:: {value.__name__}\n   :members:"])
                directives = []
            elif not callable(value):
                directives += [f".. py:data:: {name}\n\n   Mapping by name (docs/networks.md).\n"]
            elif isinstance(value, type) and issubclass(value, Section):
                # Its keys are on the page of the spec.
                methods = "".join(_methods(value))
                directives += [f".. autoclass:: {name}(**keys)\n   :no-members:\n{methods}"]
            else:
                directives += [
                    f".. auto{'class' if isinstance(value, type) else 'function'}:: {name}"
                ]
        parts += _fenced(directives)
    return "\n".join(parts)


def _fenced(directives: Sequence[str]) -> list[str]:
    """The directives in a fence of their own; nothing without any."""
    return ["```{eval-rst}\n" + "\n".join(directives) + "\n```\n"] if directives else []


def _methods(model: type[Section]) -> Iterator[str]:
    for name, value in vars(model).items():
        if name.startswith(("_", "model_")):  # those of pydantic
            continue
        if isinstance(value, FunctionType | classmethod):
            yield f"\n   .. automethod:: {name}\n"
        elif isinstance(value, property):
            yield f"\n   .. autoproperty:: {name}\n"


if __name__ == "__main__":
    for name, text in pages().items():
        Path(__file__).with_name(name).write_text(text, encoding="utf-8")
