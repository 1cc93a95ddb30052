"""The command `study show`: one trial with its network, seeds and learning curve."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from study.cli.options import (
    RESULTS,
    FreshOption,
    JsonOption,
    NameArgument,
    TrialArgument,
    command,
    console,
    print_json,
    say,
    with_home,
)
from study.home import Home

if TYPE_CHECKING:
    from study.results.curves import Curve
    from study.results.record import TrialRecord

app = typer.Typer()

_CURVE = "val_accuracy"


@command(app, RESULTS, "study show mine 3")
@with_home
def show(
    name: NameArgument,
    trial: TrialArgument,
    *,
    home: Home,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show one trial: network, seeds, learning curve, and how to export it."""
    from study.results.curves import read_curves
    from study.results.network import is_kept
    from study.results.reader import read_study

    record = read_study(name, home, fresh=fresh).trial(trial)
    run_id = record.run_id
    curve = read_curves(home, [run_id], f"epoch/{_CURVE}").get(run_id)
    kept = is_kept(run_id, home)
    if as_json:
        sems = read_curves(home, [run_id], f"epoch/{_CURVE}_sem").get(run_id)
        errors = sems.by_step() if sems else {}
        points = [
            {"epoch": epoch, _CURVE: value, f"{_CURVE}_sem": errors.get(epoch)}
            for epoch, value in (curve.by_step() if curve else {}).items()
        ]
        print_json(record.to_dict() | {"kept": kept, "curve": points})
        return
    from study.cli import tables

    screen = console()
    title = f"{name}: trial {trial}, {record.label()}"
    screen.print(tables.fact_table(title, _facts(record, curve)))
    if record.by_seed:
        from study.results.seeds import seeds

        screen.print(tables.seed_table(seeds(name, [trial], home=home, fresh=fresh), "replicates"))
    for line in _next_steps(name, record, home, kept=kept):
        say(screen, line)


def _facts(record: "TrialRecord", curve: "Curve | None") -> dict[str, str]:
    from study.cli.tables import sparkline
    from study.results.format import count, estimate, percent

    state = record.state
    state += f": {record.reason}" if record.reason else ""
    state += ", on the front" if record.on_front else ""
    state += ", violates a constraint" if record.feasible is False else ""
    macs = f"{count(record.macs)} multiply-accumulates for an image"
    facts = {
        "state": state,
        "continues": "" if record.continues is None else f"trial {record.continues}",
        "parameters": (
            "" if record.macs is None else f"{count(record.trainable_parameters)}, {macs}"
        ),
        "architecture": _settings(record.architecture),
        "training": _settings(record.training),
        "replicates": str(record.replicates),
        "val accuracy": f"{percent(record.val_accuracy, record.val_accuracy_sem)} %",
        "confirmed": _confirmed(record),
        "test accuracy": f"{percent(record.test_accuracy, record.test_accuracy_sem)} %",
        "val loss": estimate(record.val_loss, record.val_loss_sem),
        "test loss": estimate(record.test_loss, record.test_loss_sem),
        "epochs": f"{record.epochs}, {record.seconds or 0:,.1f} s",
        "notice": record.notice or "",
        "MLflow run": record.run_id,
    }
    if curve is not None:
        low, high = min(curve.values), max(curve.values)
        shape = sparkline(curve.values, low, high)
        facts["curve"] = f"{shape}  val accuracy {100 * low:.2f} to {100 * high:.2f} %"
    return {name: text for name, text in facts.items() if text not in ("", " %")}


def _confirmed(record: "TrialRecord") -> str:
    if not record.confirmed_replicates:
        return ""
    seeds = f"{record.confirmed_replicates} further seeds"
    return f"val accuracy {record.confirmed_percent} % with {seeds}"


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in settings.items()
        if value is not None
    )


def _next_steps(name: str, record: "TrialRecord", home: Home, *, kept: bool) -> list[str]:
    trial, options = record.trial, home.options()
    if not kept:
        return [
            "only networks on the front when their trial ends are kept; to train this one again:",
            f"  study retrain {name} {trial} --replicates {record.replicates}{options}",
            f"  study export {name} {trial} --retrained{options}",
        ]
    return [
        "export it, classify images with it, load it in Python:",
        f"  study export {name} {trial}{options}",
        f"  study predict {name} IMAGE --trial {trial}{options}",
        f'  study.load_model("{name}", trial={trial})',
    ]
