import pytest
import torch

from models import FAMILIES, Architecture, build, load_network, save_network
from study.training.dataset import load_dataset
from study.training.evaluation import Estimate, evaluate
from study.training.settings import TrainingSettings
from study.training.split import Split
from study.training.train import NonFiniteLossError, Training

RECIPE = {"label_smoothing": 0.1, "weight_decay": 0.1, "average": 0.9, "shift": 1, "flip": 0.5}


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def network(family="dann-r", seeds=(0, 1), **changes):
    sizes = {"dendrites": 2, "somata": 16, "synapses": None if family == "vann" else 8}
    return build(Architecture(family=family, **(sizes | changes)), (1, 8, 8), 10, seeds)


def settings(**changes):
    return TrainingSettings(**({"epochs": 3, "learning_rate": 0.01, "batch_size": 64} | changes))


@pytest.fixture(params=["compiled", "torch"])
def engine(request):
    return request.param


def train(network, dataset, settings, engine="auto"):
    """Trains and yields each epoch; the network holds the kept weights when this ends or is closed."""
    training = Training(network, dataset, settings, engine)
    try:
        while not training.over:
            yield training.run_epoch()
    finally:
        training.restore_kept()


@pytest.mark.parametrize("family", ["dann-r", "dann-lrf", "vann"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_training_learns_the_digits(family, schedule, engine, digits):
    trained = network(family)
    epochs = list(train(trained, digits, settings(schedule=schedule, epochs=8), engine))
    assert [epoch.epoch for epoch in epochs] == list(range(1, 9))
    assert epochs[-1].train_loss.mean < epochs[0].train_loss.mean / 2
    assert epochs[-1].kept_accuracy.mean > 0.8
    accuracy, _ = evaluate(trained, digits.test)
    assert accuracy.min() > 0.75


@pytest.mark.parametrize("recipe", [{}, RECIPE], ids=["bare", "recipe"])
def test_a_replicate_trains_alone_as_it_trains_among_others(engine, recipe, digits):
    alone, among = network(seeds=[5]), network(seeds=[2, 5])
    list(train(alone, digits, settings(**recipe), engine))
    list(train(among, digits, settings(**recipe), engine))
    for mine, shared in zip(alone.parameters(), among.parameters(), strict=True):
        torch.testing.assert_close(mine[0], shared[1], rtol=1e-4, atol=1e-5)


def test_training_is_reproducible(engine, digits):
    first, again = network(), network()
    results = [list(train(net, digits, settings(), engine)) for net in (first, again)]
    assert results[0][-1].val_loss == results[1][-1].val_loss
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_learning_rate_of_zero_leaves_every_weight_as_it_was_built(engine, digits):
    trained = network("dann-lrf")
    (*_, last) = train(trained, digits, settings(learning_rate=0.0, weight_decay=0.1), engine)
    for mine, built in zip(trained.parameters(), network("dann-lrf").parameters(), strict=True):
        assert torch.equal(mine, built)
    assert last.kept_accuracy.mean < 0.5


def test_the_kept_weights_are_those_of_each_replicates_best_epoch(digits):
    trained = network(seeds=[0, 1, 2])
    accuracies = [
        evaluate(trained, digits.validation)[0]
        for _ in train(trained, digits, settings(epochs=12, learning_rate=0.1))
    ]
    per_epoch = torch.stack(accuracies)
    best = per_epoch.max(dim=0).values
    # The best epochs differ, so that keeping one epoch for all would be seen.
    assert len(set(per_epoch.argmax(dim=0).tolist())) > 1
    assert torch.equal(evaluate(trained, digits.validation)[0], best)


def test_the_last_weights_are_kept_if_the_paper_is_followed(digits):
    trained = network()
    *_, last = train(trained, digits, settings(epochs=12, learning_rate=0.1, keep="last"))
    assert last.kept_accuracy == last.val_accuracy
    accuracy, _ = evaluate(trained, digits.validation)
    assert Estimate.over(accuracy) == last.val_accuracy


def test_what_is_kept_is_in_the_network_after_an_early_end(digits):
    trained = network()
    epochs = train(trained, digits, settings(epochs=50, learning_rate=0.1))
    kept = [next(epochs).kept_accuracy for _ in range(6)][-1]
    epochs.close()
    images = len(digits.validation.labels)
    assert Estimate.over(evaluate(trained, digits.validation)[0], images) == kept


def test_a_replicate_that_diverges_ends_the_training_with_the_reason(engine, digits):
    with pytest.raises(NonFiniteLossError, match=r"in epoch \d+ of the replicate with seed [01] "):
        list(train(network("vann"), digits, settings(learning_rate=1e30, epochs=30), engine))


def test_a_replicate_that_diverges_alone_is_named(engine, digits):
    alone = network(seeds=(3, 4, 5))
    with torch.no_grad():
        for parameter in alone.parameters():
            parameter[1] *= 1e30
    with pytest.raises(NonFiniteLossError, match="in epoch 1 of the replicate with seed 4 "):
        list(train(alone, digits, settings(), engine))


def test_weights_that_diverge_with_the_last_batch_are_not_kept(engine, digits):
    """The training loss of a batch is taken before its step, so only validation sees the last one."""
    one_batch = settings(learning_rate=1e30, epochs=1, batch_size=2000)
    with pytest.raises(NonFiniteLossError, match="the validation loss must stay finite, got nan"):
        list(train(network("vann"), digits, one_batch, engine))


def test_a_training_with_patience_ends_when_all_replicates_have_stopped(engine, digits):
    trained = network(seeds=[0, 1, 2])
    losses = []
    for epoch in train(trained, digits, settings(epochs=60, learning_rate=0.1, patience=2), engine):
        losses.append(evaluate(trained, digits.validation)[1])
        last = epoch
    per_epoch = torch.stack(losses)
    assert 3 <= last.epoch < 60
    ends = []
    for curve in per_epoch.T.tolist():
        # Worked again, one replicate at a time: the first epoch at which two had not been lower.
        end = next(
            at for at in range(2, len(curve)) if min(curve[: at - 1]) <= min(curve[at - 1 : at + 1])
        )
        ends.append((end + 1, min(curve[: end + 1])))
    assert len({end for end, _ in ends}) > 1
    assert last.epoch == max(end for end, _ in ends)
    _, kept = evaluate(trained, digits.validation)
    assert kept.tolist() == pytest.approx([lowest for _, lowest in ends], rel=1e-6)
    assert last.kept_loss.mean == pytest.approx(kept.mean().item(), rel=1e-6)


def test_batches_by_class_make_the_epochs_and_their_schedule(engine, digits):
    by_class = settings(batch_order="by_class", schedule="cosine")
    training = Training(network(), digits, by_class, engine)
    rates, trains = [], training.engine.train_epoch

    def recorded(epoch, order, rates_of_epoch, running):
        rates.extend(rates_of_epoch)
        return trains(epoch, order, rates_of_epoch, running)

    training.engine.train_epoch = recorded
    while not training.over:
        training.run_epoch()
    batches = sum(count // 64 for count in digits.train.labels.bincount().tolist())
    assert len(rates) == 3 * batches < 3 * len(digits.train.labels) // 64
    assert rates[0] == 0.01
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 1e-4


@pytest.mark.parametrize(
    ("rewiring", "recipe"),
    [
        ({}, {}),
        ({"rewiring": 0.5}, RECIPE),
        ({"rewiring": 0.5, "regrowth": "gradient"}, {}),
    ],
)
def test_an_interrupted_training_is_the_same_bit_by_bit(engine, rewiring, recipe, digits):
    """With dropout, a schedule, replicates and early stopping, after any number of epochs."""
    options = settings(epochs=5, schedule="one_cycle", patience=2, **recipe)
    whole, resumed = (network(dropout=0.2, **rewiring) for _ in range(2))
    training = Training(whole, digits, options, engine)
    states = []
    while not training.over:
        training.run_epoch()
        tensors, numbers = training.state()
        states.append(({name: value.clone() for name, value in tensors.items()}, numbers))
    for tensors, numbers in states:
        continued = Training(resumed, digits, options, engine)
        continued.restore(tensors, numbers)
        while not continued.over:
            continued.run_epoch()
        for name, one in whole.state_dict().items():
            assert torch.equal(one, resumed.state_dict()[name])


def test_a_training_does_not_go_on_from_the_state_of_another_engine(digits):
    other = Training(network(), digits, settings(), "torch")
    training = Training(network(), digits, settings(), "compiled")
    with pytest.raises(ValueError, match="must hold, got torch and compiled"):
        training.restore(*other.state())


def test_both_engines_train_alike(digits):
    losses = {}
    for name in ("compiled", "torch"):
        epochs = list(train(network(), digits, settings(schedule="cosine"), name))
        losses[name] = [epoch.train_loss.mean for epoch in epochs]
    assert losses["compiled"] == pytest.approx(losses["torch"], rel=1e-3)


@pytest.mark.parametrize(
    ("family", "regrowth", "layers"),
    [
        *((family, "local", 1) for family, rule in FAMILIES.items() if rule.draws_synapses),
        ("dann-lrf", "gradient", 1),
        ("vann-r", "gradient", 1),
        ("sparse-mlp", "gradient", 2),
        ("dann-r", "anywhere", 2),
    ],
)
def test_both_engines_rewire_alike(family, regrowth, layers, digits):
    """Up to synapses whose weights, or gradients, differ by rounding only."""
    sizes = {"layers": layers} | ({} if FAMILIES[family].has_dendrites else {"dendrites": None})
    found, losses = {}, {}
    for name in ("compiled", "torch"):
        trained = network(family, rewiring=0.4, regrowth=regrowth, **sizes)
        drawn = trained.stages[0].units.columns.clone()
        training = Training(trained, digits, settings(epochs=4), name)
        losses[name] = [training.run_epoch().train_loss.mean for _ in range(4)]
        found[name] = trained.stages[0].units.columns
        assert 0.2 < (found[name] != drawn).float().mean() < 1
    assert (found["compiled"] == found["torch"]).float().mean() > 0.95
    assert losses["compiled"] == pytest.approx(losses["torch"], rel=0.02)


def test_a_rewired_replicate_is_the_same_among_others(engine, digits):
    alone, among = (network(seeds=seeds, rewiring=0.4) for seeds in ([5], [2, 5]))
    for trained in (alone, among):
        training = Training(trained, digits, settings(epochs=2), engine)
        training.run_epoch()
        training.run_epoch()
    mine, ours = (trained.stages[0].units.connections for trained in (alone, among))
    assert (mine(0)[0] == ours(1)[0]).float().mean() > 0.95


def test_the_kept_weights_keep_the_wiring_they_were_trained_with(engine, digits):
    """Accuracies of kept weights on another wiring would differ."""
    trained = network(rewiring=0.9, seeds=[0, 1, 2])
    *_, last = train(trained, digits, settings(epochs=8, learning_rate=0.1), engine)
    accuracy, _ = evaluate(trained, digits.validation)
    assert Estimate.over(accuracy, len(digits.validation.labels)) == last.kept_accuracy


def test_new_synapses_begin_without_moments(engine, digits):
    trained = network(rewiring=0.5, seeds=[0])
    training = Training(trained, digits, settings(epochs=9), engine)
    training.run_epoch()
    new = (trained.stages[0].units.weight[0] == 0).nonzero().flatten()
    assert len(new) == 3 * 32  # of 8 synapses of a dendrite, a share just below a half
    tensors, _ = training.state()
    for name in ("mean", "square"):
        moments = tensors.get(f"adam.{name}", tensors.get(f"adam.{name}.0")).flatten()
        start = 0
        for parameter in trained.parameters():
            if parameter is trained.stages[0].units.weight:
                break
            start += parameter.numel()
        mine = moments[start : start + 8 * 32]
        assert not mine[new].any()
        assert mine.count_nonzero() > 50


def test_the_average_is_what_is_evaluated_and_kept(engine, digits):
    trained = network(seeds=[0, 1, 2])
    training = Training(trained, digits, settings(keep="last", average=0.99), engine)
    for _ in range(3):
        epoch = training.run_epoch()
    last = evaluate(trained, digits.validation)
    averages = [average.clone() for average in training.engine.averages()]
    training.restore_kept()
    for parameter, average in zip(trained.parameters(), averages, strict=True):
        assert torch.equal(parameter, average)
    kept = evaluate(trained, digits.validation)
    assert epoch.val_accuracy == Estimate.over(kept[0], len(digits.validation.labels))
    assert epoch.val_loss.mean == pytest.approx(kept[1].mean().item(), rel=1e-6)
    assert not torch.equal(last[1], kept[1])


def test_a_teacher_is_distilled_and_losses_stay_those_of_the_labels(engine, digits):
    """A teacher that is always wrong in the same way, with all of the weight."""
    wrong = (digits.train.labels + 1) % 10
    logits = 20 * torch.nn.functional.one_hot(wrong, 10).float().numpy()
    taught = {"teacher": "a/1", "teacher_weight": 1.0, "temperature": 2.0}
    with pytest.raises(ValueError, match="the logits of teacher a/1 must be given, got none"):
        Training(network(), digits, settings(**taught), engine)
    training = Training(network(), digits, settings(epochs=8, **taught), engine, logits)
    losses = [training.run_epoch().train_loss.mean for _ in range(8)]
    assert losses[-1] > 2 * losses[0]  # of the labels, from which the teacher leads away
    assert training.evaluate(digits.validation)[0].max() < 0.2
    wrong = Split(digits.validation.images, (digits.validation.labels + 1) % 10)
    assert training.evaluate(wrong)[0].min() > 0.7


def test_new_synapses_have_no_average(engine, digits):
    trained = network(rewiring=0.5, seeds=[0])
    training = Training(trained, digits, settings(epochs=9, average=0.9), engine)
    training.run_epoch()
    place = [parameter is trained.stages[0].units.weight for parameter in trained.parameters()]
    average = training.engine.averages()[place.index(True)]
    assert torch.equal(average == 0, trained.stages[0].units.weight == 0)


def test_a_rewired_network_is_stored_with_its_wiring(digits, tmp_path):
    trained = network(rewiring=0.5)
    list(train(trained, digits, settings(), "compiled"))
    save_network(trained, tmp_path)
    loaded = load_network(tmp_path)
    images = digits.test.images[:50]
    assert torch.equal(loaded(images), trained.eval()(images))
