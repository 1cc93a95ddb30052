import pytest
import torch

from study.errors import SpecError
from study.spec.study_spec import StudySpec
from study.training.batch_order import by_class, check_batch_order, shuffled

LABELS = torch.tensor([2, 0, 2, 0, 0, 2, 2, 0, 0, 4, 2, 4])


def test_classes_come_in_order_each_cut_to_whole_batches():
    # Class 0: images 1, 3, 4, 7, 8; class 2: 0, 2, 5, 6, 10; class 4: 9, 11.
    assert by_class(LABELS, 2).tolist() == [1, 3, 4, 7, 0, 2, 5, 6, 9, 11]
    assert by_class(LABELS, 1).tolist() == [1, 3, 4, 7, 8, 0, 2, 5, 6, 10, 9, 11]


def test_a_class_that_fills_no_batch_is_refused_with_rule_and_values():
    wanted = (
        r"`batch_size <= training images of each class` .* batch_size=3, 2 .* of class 4 \(keys"
    )
    with pytest.raises(SpecError, match=wanted):
        by_class(LABELS, 3)


def spec(**space):
    table = {"name": "a", "dataset": "digits", "families": ["vann"]}
    return StudySpec.from_dict(table | {"space": space})


def test_a_spec_is_refused_if_any_of_its_trials_would_be():
    check_batch_order(spec(batch_size=3), LABELS)
    check_batch_order(spec(batch_size=[1, 2], batch_order="by_class"), LABELS)
    either = ["shuffled", "by_class"]
    with pytest.raises(SpecError, match="batch_size=3"):
        check_batch_order(spec(batch_size=[2, 3], batch_order=either), LABELS)


def test_a_shuffled_order_follows_from_seed_and_epoch():
    order = shuffled(9, (3, 4), 2)
    assert torch.equal(order.sort(dim=1).values, torch.arange(9).expand(2, -1))
    assert torch.equal(shuffled(9, (4,), 2)[0], order[1])
    assert not torch.equal(order[0], order[1])
    assert not torch.equal(shuffled(9, (3,), 3)[0], order[0])
