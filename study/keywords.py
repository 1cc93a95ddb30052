"""Keywords of public functions: an unknown one is a TypeError that names the nearest."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from study.errors import nearest

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def checked_keywords(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """A decorator of public functions.

    Python 3.11 names only the unknown keyword; a hint helps with a misspelt one.
    """
    known = inspect.signature(function).parameters

    @wraps(function)
    def checked(*arguments: _Parameters.args, **keywords: _Parameters.kwargs) -> _Result:
        for name in keywords:
            if name not in known:
                raise TypeError(
                    f"{function.__name__}() has no parameter {name!r}; {nearest(name, known)}"
                )
        return function(*arguments, **keywords)

    return checked
