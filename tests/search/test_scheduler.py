from study.search.scheduler import Halving
from study.spec.study_spec import StudySpec

SPEC = StudySpec.from_dict(
    {
        "name": "a",
        "dataset": "digits",
        "families": ["vann"],
        "budget": {"epochs": 16},
        "stopping": {"grace_epochs": 2},
    }
)


def metrics(epochs, accuracy):
    return {"epochs": epochs, "val_accuracy": accuracy, "trainable_parameters": 100}


def test_a_trial_that_ended_early_by_itself_is_compared_with_at_the_rungs_after_its_end():
    halving = Halving(SPEC)  # rungs after 2, 4 and 8 epochs
    halving.finish(0, metrics(3, 0.9))
    assert halving.enter(1, 2, metrics(2, 0.5))
    assert not halving.enter(1, 4, metrics(4, 0.5))
    assert not halving.enter(2, 8, metrics(8, 0.8))


def test_a_trial_in_full_changes_nothing_at_a_rung():
    halving = Halving(SPEC)
    halving.finish(0, metrics(16, 0.9))
    assert all(halving.enter(1, epoch, metrics(epoch, 0.1)) for epoch in (2, 4, 8))
