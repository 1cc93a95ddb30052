"""The summary of docs/results.md: dendritic networks against others, and the smallest network."""

from collections.abc import Sequence

from models import FAMILIES
from paper.choose import (
    PUBLISHED_BEST,
    Trial,
    families,
    is_dendritic,
    other_names,
    smallest_confirmed,
    smallest_reaching,
)
from paper.tables import count, label, only_smaller, percent, points, sign, under


def equal_size(trials: Sequence[Trial]) -> list[str]:
    """Whether dendritic networks beat others that may be as large: a paragraph and a list.

    A win counts only where all other families were trained in about that size.
    """
    compared = under(trials)
    if not compared:
        return ["**No dendritic network has been compared with another of equal size yet.**"]
    missing = {bound: only_smaller(trials, bound, ours) for bound, ours, *_ in compared}
    ahead = [bound for bound, *_, gap in compared if sign(gap) > 0]
    counts = {
        "better": sum(not missing[bound] for bound in ahead),
        "worse": sum(sign(gap) < 0 for *_, gap in compared),
        "unsure": sum(bool(missing[bound]) for bound in ahead),
    }
    text = _headline(len(compared), **counts)
    others = other_names(families(one for one in trials if not is_dendritic(one)))
    lines = [
        f"**{text}.** The other networks are {others}. The best of each, selected on validation data:",
        "",
    ]
    for bound, ours, other, gap in compared:
        lines.append(
            f"- At most {bound:,} parameters: {label(ours)} ({count(ours['trainable_parameters'])} "
            f"parameters) has a test accuracy of {percent(ours['test_accuracy'])} %, {label(other)} "
            f"({count(other['trainable_parameters'])}) of {percent(other['test_accuracy'])} %; the "
            f"difference is {points(gap)} points."
            + (
                f" Only smaller sizes trained: {other_names(missing[bound])}."
                if missing[bound]
                else ""
            )
        )
    trained = {one["family"] for one in trials}
    absent = [
        name for name, one in FAMILIES.items() if one.cables == "none" and name not in trained
    ]
    if absent:
        lines += [
            "",
            f"Controls not trained yet: {', '.join(absent)}.",
        ]
    return [*lines, ""]


def _headline(sizes: int, *, better: int, worse: int, unsure: int) -> str:
    bounds = f"of {sizes} bounds on the parameters"
    ahead = (
        f"under {unsure} they are ahead, but most other networks were trained only at smaller sizes"
    )
    if better:
        text = f"Dendritic networks beat others of equal size under {better} {bounds}"
        text += f", and are beaten under {worse}" if worse else ""
    else:
        text = "Dendritic networks do not beat others of equal size: "
        text += (
            f"they are beaten under {worse} {bounds}" if worse else "no difference is significant"
        )
    if unsure:
        return f"{text}; {ahead}"
    return text if better + worse in (0, sizes) else f"{text}; no other difference is significant"


def smallest(trials: Sequence[Trial]) -> list[str]:
    """The smallest dendritic network as accurate as the paper's best vanilla one, and a confirmed one.

    The first is chosen on validation; the second among those trained anew, by their test accuracy, for
    which few are candidates.
    """
    if not trials:
        return []
    goal = f"{percent(PUBLISHED_BEST)} % (the paper's best vanilla network on Fashion-MNIST)"
    dendritic = [one for one in trials if is_dendritic(one)]
    found = smallest_reaching(dendritic, PUBLISHED_BEST)
    if found is None:
        return [f"No dendritic network reaches {goal} on validation images."]
    lines = [
        f"The smallest dendritic network that reaches {goal} on validation images has {_whole(found)}"
    ]
    sure = smallest_confirmed(dendritic, PUBLISHED_BEST)
    if sure is not None and sure != found:
        lines.append(
            "The smallest retrained network that reaches it on test images with other seeds has "
            f"{_whole(sure)}"
        )
    return lines


def _whole(trial: Trial) -> str:
    """Size, name and test accuracy, to its full stop."""
    other = "other " if trial.get("anew") else ""
    return (
        f"{count(trial['trainable_parameters'])} parameters ({label(trial)}, trial {trial['trial']} "
        f"of {trial['study']}) and a test accuracy of "
        f"{percent(trial['test_accuracy'], trial.get('test_accuracy_sem'))} % over "
        f"{trial['replicates']} {other}seeds."
    )
