import resource
from contextlib import closing

import pytest

from study.tracking.spool import Position, Spool, read_position, unsent, waiting, write_position


def append(folder, event):
    """What a driver of one event does."""
    with closing(Spool(folder)) as spool:
        spool.append(event)


def test_events_come_back_in_their_order_until_they_are_sent(tmp_path):
    spool = Spool(tmp_path / "spool")
    for number in range(5):
        spool.append(f"event {number}")
    found = list(unsent(tmp_path / "spool"))
    assert [line for line, _ in found] == [f"event {number}" for number in range(5)]
    write_position(tmp_path / "spool", found[2][1])
    assert [line for line, _ in unsent(tmp_path / "spool")] == ["event 3", "event 4"]
    spool.append("last")
    spool.close()
    assert waiting(tmp_path / "spool") == 3


def test_each_driver_appends_to_a_segment_of_its_own(tmp_path):
    for number in range(3):
        append(tmp_path, str(number))
    assert [line for line, _ in unsent(tmp_path)] == ["0", "1", "2"]
    *_, (_, last) = unsent(tmp_path)
    write_position(tmp_path, last)
    assert [file.name for file in sorted(tmp_path.glob("*.jsonl"))] == ["000003.jsonl"]
    append(tmp_path, "3")
    assert [line for line, _ in unsent(tmp_path)] == ["3"]


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_a_line_that_a_dead_driver_left_half_written_is_passed_over(cut, tmp_path):
    append(tmp_path, "a")
    (segment,) = tmp_path.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes() + b'["torn",22]\n'[:cut])
    append(tmp_path, "b")
    assert [line for line, _ in unsent(tmp_path)] == ["a", "b"]


def test_a_spool_that_is_cut_anywhere_keeps_its_whole_lines_and_takes_more(tmp_path):
    append(tmp_path, "first")
    append(tmp_path, "second")
    segment = min(tmp_path.glob("*.jsonl"))
    whole = segment.read_bytes() + b"third\n"
    for offset in range(len(whole) + 1):
        segment.write_bytes(whole[:offset])
        lines = whole[: whole[:offset].rfind(b"\n") + 1].decode().split()
        assert [line for line, _ in unsent(tmp_path)] == [*lines, "second"]
    append(tmp_path, "last")
    assert [line for line, _ in unsent(tmp_path)] == ["first", "third", "second", "last"]


@pytest.mark.parametrize(
    "position",
    [
        "",
        "[1]",
        "1",
        '{"segment": 1',
        '{"segment": "1", "offset": 0}',
        '{"segment": 1, "offset": -1}',
        '{"segment": 9, "offset": 0}',
        '{"segment": true, "offset": 0}',
        "[" * 100_000,
        "\0",
    ],
)
def test_from_a_damaged_position_everything_that_is_there_is_sent_again(position, tmp_path):
    append(tmp_path, "a")
    append(tmp_path, "b")
    (tmp_path / "position.json").write_text(position)
    assert [line for line, _ in unsent(tmp_path)] == ["a", "b"]


def test_long_spools_are_cut_into_segments_and_sent_ones_are_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr("study.tracking.spool._SEGMENT_BYTES", 50)
    spool = Spool(tmp_path)
    for number in range(20):
        spool.append(f"{number} {'x' * 20}")
    spool.close()
    assert len(list(tmp_path.glob("*.jsonl"))) > 5
    found = list(unsent(tmp_path))
    assert [int(line.split()[0]) for line, _ in found] == list(range(20))
    write_position(tmp_path, found[-1][1])
    assert waiting(tmp_path) == 0
    assert len(list(tmp_path.glob("*.jsonl"))) <= 2


def test_a_full_disk_leaves_whole_lines(tmp_path):
    with closing(Spool(tmp_path)) as spool:
        spool.append("whole")
        (segment,) = tmp_path.glob("*.jsonl")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        # Room for three more bytes.
        resource.setrlimit(resource.RLIMIT_FSIZE, (segment.stat().st_size + 3, before[1]))
        try:
            with pytest.raises(OSError, match="No space left on device"):
                spool.append("cut" * 3)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        spool.append("after")
    assert segment.read_text().splitlines() == ["whole", "after"]


def test_a_new_spool_is_all_to_be_sent(tmp_path):
    assert read_position(tmp_path) == Position(0, 0)
