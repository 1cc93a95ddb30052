"""The answer of docs/results.md in sentences: whether dendrites pay, and how small a network can be."""

from collections.abc import Sequence

from paper_best import (
    PUBLISHED_BEST,
    Trial,
    families,
    is_dendritic,
    smallest_confirmed,
    smallest_reaching,
)
from paper_configurations import label, points, sign, under

from models.architecture import FAMILIES
from study.trial_text import count, percent


def equal_size(trials: Sequence[Trial]) -> list[str]:
    """Whether dendritic networks beat others that may be as large: a paragraph and a list."""
    compared = under(trials)
    if not compared:
        return ["**No dendritic network has been compared with another of equal size yet.**"]
    better = [one for one in compared if sign(one[3]) > 0]
    worse = [one for one in compared if sign(one[3]) < 0]
    sizes = len(compared)
    if better and worse:
        said = (
            f"Dendritic networks beat others of equal size under {len(better)} of {sizes} bounds "
            f"on the parameters, and are beaten under {len(worse)}"
        )
    elif better:
        said = f"Dendritic networks beat others of equal size under {len(better)} of {sizes} bounds"
        said += "" if len(better) == sizes else ", and elsewhere no difference is certain"
    elif worse:
        said = (
            "Dendritic networks do not beat others of equal size: they are beaten under "
            f"{len(worse)} of {sizes} bounds on the parameters"
        )
    else:
        said = "Dendritic networks do not beat others of equal size: no difference is certain"
    others = ", ".join(families(one for one in trials if not is_dendritic(one)))
    lines = [f"**{said}.** The best of each by validation, the others being {others}:", ""]
    for bound, ours, other, gap in compared:
        lines.append(
            f"- At most {bound:,} parameters: {label(ours)} has {percent(ours['test_accuracy'])} % on "
            f"test images, {label(other)} {percent(other['test_accuracy'])} %; {points(gap)} points."
        )
    trained = {one["family"] for one in trials}
    absent = [
        name for name, one in FAMILIES.items() if one.cables == "none" and name not in trained
    ]
    if absent:
        lines += [
            "",
            f"Controls that have not been trained yet, and could win: {', '.join(absent)}.",
        ]
    return [*lines, ""]


def smallest(trials: Sequence[Trial]) -> list[str]:
    """The smallest dendritic network as accurate as the paper's best vanilla one, and one that is sure.

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
            "The smallest whose mean over other seeds reaches it on test images, of those that were "
            f"trained anew, has {_whole(sure)}"
        )
    return lines


def _whole(trial: Trial) -> str:
    """Size, name and test accuracy, to its full stop."""
    other = "other " if trial.get("anew") else ""
    return (
        f"{count(trial['trainable_parameters'])} parameters ({label(trial)}, trial {trial['trial']} "
        f"of {trial['study']}); on test images it has "
        f"{percent(trial['test_accuracy'], trial.get('test_accuracy_sem'))} % over "
        f"{trial['replicates']} {other}seeds."
    )
