from dataclasses import replace

from study.results.model_card import model_card, training_history
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

SPEC = StudySpec.from_dict({"name": "made", "dataset": "digits", "families": ["dann-r"]})


def card(**training):
    made = replace(record(0, trial(0.9), SPEC), macs=90)
    made.training.update(training)
    history = training_history(SPEC, made, (1, 8, 8), (0, 1, 2), retrained=False)
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


def test_the_optimizer_is_adam_or_with_weight_decay_adamw():
    assert "Adam on the cross-entropy for" in card()
    assert "AdamW on the cross-entropy for" in card(weight_decay=0.05)
