from types import SimpleNamespace

import pytest
import torch

from study.training.checkpoint import Checkpoints

CPU = torch.device("cpu")
CONFIG = {"number": 3}
NUMBERS = {"config": CONFIG, "history": [{"val_accuracy": 0.1}]}


def tensors():
    flat = torch.arange(12.0)
    return {"part": flat[:4], "other": flat[4:].view(2, 4), "step": torch.tensor(7.0)}


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    made = Checkpoints(tmp_path / "trial-3")
    assert made.load(CONFIG, CPU) is None
    made.save(tensors(), NUMBERS)
    found, numbers = Checkpoints(tmp_path / "trial-3").load(CONFIG, CPU)
    assert numbers == NUMBERS
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors().items())
    assert [file.name for file in (tmp_path / "trial-3").iterdir()] == ["checkpoint.safetensors"]
    made.discard()
    assert made.load(CONFIG, CPU) is None


def test_a_checkpoint_that_was_cut_anywhere_is_found_out(tmp_path):
    made = Checkpoints(tmp_path)
    made.save(tensors(), NUMBERS)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for offset in range(len(whole)):
        file.write_bytes(whole[:offset])
        with pytest.raises(ValueError, match=r"checkpoint.safetensors is damaged"):
            made.load(CONFIG, CPU)


def test_a_checkpoint_of_another_trial_is_not_taken(tmp_path):
    made = Checkpoints(tmp_path)
    made.save(tensors(), NUMBERS)
    with pytest.raises(ValueError, match="is that of another trial"):
        made.load({"number": 4}, CPU)


def test_what_cannot_be_written_leaves_the_last_one(tmp_path):
    made = Checkpoints(tmp_path)
    made.save(tensors(), NUMBERS)
    blocked = tmp_path / "checkpoint.new"
    blocked.mkdir()
    with pytest.raises(OSError, match=r"checkpoint.new"):
        made.save({"part": torch.zeros(1)}, NUMBERS)
    found, _ = made.load(CONFIG, CPU)
    assert torch.equal(found["part"], torch.arange(4.0))


def test_after_a_write_the_next_one_waits_twenty_times_as_long(tmp_path, monkeypatch):
    times = iter([0.0, 10.0, 11.0, 30.9, 31.1])  # made; a write of a second; asked twice
    monkeypatch.setattr("study.training.checkpoint.time", SimpleNamespace(monotonic=times.__next__))
    made = Checkpoints(tmp_path)
    made.save({"part": torch.zeros(1)}, NUMBERS)
    assert not made.due
    assert made.due
