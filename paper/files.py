"""Where the specs of the paper's studies, the summaries of what they found, and the page lie."""

import json
from pathlib import Path
from typing import Any, Final, TypeAlias

_ROOT: Final = Path(__file__).parents[1]

SPECS: Final = _ROOT / "paper" / "specs"
RESULTS: Final = _ROOT / "paper" / "results"
DOCS: Final = _ROOT / "docs"

Summary: TypeAlias = dict[str, Any]
"""What `paper.summary.summary` keeps of a study."""


def read(folder: Path = RESULTS) -> list[Summary]:
    """The summaries in a folder, by name."""
    files = sorted(folder.glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]
