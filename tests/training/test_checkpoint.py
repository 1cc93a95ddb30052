import pytest
import torch

from study.training.checkpoint import from_bytes, to_bytes

CPU = torch.device("cpu")
CONFIG = {"number": 3}
NUMBERS = {"config": CONFIG, "history": [{"val_accuracy": 0.1}]}


def tensors():
    flat = torch.arange(12.0)
    return {"part": flat[:4], "other": flat[4:].view(2, 4), "step": torch.tensor(7.0)}


def test_a_checkpoint_comes_back_as_it_was():
    found, numbers = from_bytes(to_bytes(tensors(), NUMBERS), CONFIG.__eq__, CPU)
    assert numbers == NUMBERS
    assert found.keys() == tensors().keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors().items())


def test_a_checkpoint_that_was_cut_anywhere_is_found_out():
    whole = to_bytes(tensors(), NUMBERS)
    for offset in range(len(whole)):
        with pytest.raises(ValueError, match=r"its checkpoint is damaged: "):
            from_bytes(whole[:offset], CONFIG.__eq__, CPU)


def test_a_checkpoint_of_another_trial_is_not_taken():
    with pytest.raises(ValueError, match="is that of another trial"):
        from_bytes(to_bytes(tensors(), NUMBERS), {"number": 4}.__eq__, CPU)
