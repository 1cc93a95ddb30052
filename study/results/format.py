"""Numbers as text, the same in messages, tables, reports and model cards."""


def count(number: float | None) -> str:
    """A whole number with separators; empty for None."""
    return "" if number is None else f"{number:,.0f}"


def estimate(mean: float | None, sem: float | None, scale: float = 1.0, digits: int = 4) -> str:
    """A mean with its standard error, if any; empty without a mean."""
    if mean is None:
        return ""
    return f"{scale * mean:.{digits}f}" + ("" if sem is None else f" ± {scale * sem:.{digits}f}")


def percent(share: float | None, sem: float | None = None) -> str:
    """A share in percent with its standard error, if any; empty without a share."""
    return estimate(share, sem, 100, 2)


def number(value: float) -> str:
    """A whole number with separators, any other with six significant digits."""
    return f"{value:,.0f}" if value == int(value) and abs(value) > 1 else f"{value:.6g}"
