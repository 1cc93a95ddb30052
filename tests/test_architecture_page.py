"""docs/architecture.md beside the tree: what it names exists, and no package is missing."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def test_every_file_and_folder_that_it_names_exists():
    named = re.findall(r"`((?:study|models|paper)/[\w/.]*)`", PAGE)
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_room_is_in_its_table():
    packages = {folder.parent.name for folder in (ROOT / "study").glob("*/__init__.py")}
    assert packages == set(re.findall(r"^\| `study/(\w+)/` \|", PAGE, flags=re.MULTILINE))
