from dataclasses import replace

from study.results.model_card import model_card, training_history
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

SPEC = StudySpec.from_dict({"name": "made", "dataset": "digits", "families": ["dann-r"]})


def card(spec=SPEC, class_names=(), *, retrained=False, **training):
    made = replace(record(0, trial(0.9), spec), macs=90)
    made.training.update(training)
    history = training_history(
        spec, made, (1, 8, 8), (0, 1, 2), class_names=class_names, retrained=retrained
    )
    return " ".join(model_card(history, {}).split())


def test_settings_that_change_what_the_results_mean_are_said():
    plain, unusual = (
        card(),
        card(patience=10, noise=0.25, batch_order="by_class", average=0.99, teacher="a/1"),
    )
    for text in (
        "without a new lowest validation loss in 10 epochs stopped, with the weights of the lowest.",
        "All images, also those of the results, had Gaussian noise with a standard deviation of 0.25",
        "Each batch had images of one class",
        "The weights are an exponential average of those of all steps, with a decay of 0.99 a step.",
        "A share of 0.5 of the loss compared the outputs with those of stored trials",
    ):
        assert text in unusual
        assert text[:12] not in plain


def test_the_classes_and_the_preparation_of_images_are_said():
    spec = StudySpec.from_dict(
        SPEC.to_dict() | {"dataset": {"path": "pets/", "grey": True, "resize": [8, 9]}}
    )
    shown = card(spec, ("cat", "dog"))
    assert "All images were converted to grey and scaled to 8 x 9 (height x width)" in shown
    assert "The classes, by output: 0 cat, 1 dog." in shown
    assert "All images were" not in card()
    assert "The classes" not in card()


def test_after_a_retraining_the_card_says_what_validation_selected():
    best, last, early = (
        card(retrained=True, keep=keep, patience=patience)
        for keep, patience in (("best", 0), ("last", 0), ("last", 5))
    )
    plain = "Validation selected the configuration, with other seeds."
    assert (plain in best, plain in last, plain in early) == (False, True, False)
    assert "with other seeds, and the epoch of the weights." in best


def test_the_optimizer_is_adam_or_with_weight_decay_adamw():
    assert "Adam on the cross-entropy for" in card()
    assert "AdamW on the cross-entropy for" in card(weight_decay=0.05)
