"""Counts and estimates as text, alike in terminal, report and model card. Nothing else is shared."""


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
