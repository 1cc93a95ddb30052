"""Numbers as text, alike in messages, terminal, report and model card; short, for that is all."""


def count(number: float | None) -> str:
    """A whole number with separators, empty if there is none."""
    return "" if number is None else f"{number:,.0f}"


def estimate(mean: float | None, sem: float | None, scale: float = 1.0, digits: int = 4) -> str:
    """A mean with its standard error if there is one; empty if there is no mean."""
    if mean is None:
        return ""
    return f"{scale * mean:.{digits}f}" + ("" if sem is None else f" ± {scale * sem:.{digits}f}")


def percent(share: float | None, sem: float | None = None) -> str:
    """A share in percent, with its standard error if there is one; empty if there is none."""
    return estimate(share, sem, 100, 2)


def number(value: float) -> str:
    """A whole number with separators, another with six significant digits."""
    return f"{value:,.0f}" if value == int(value) and abs(value) > 1 else f"{value:.6g}"
