"""What people look at in MLflow: the description of a study, its front and its report."""

from study.home import Home


def show(name: str, home: Home, *, final: bool) -> None:
    """Brings them up to date."""
    del name, home, final
