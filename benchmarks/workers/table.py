"""Real workers in docs/scaling.md: a table and its text, made of benchmarks/results/workers.json."""

from typing import Any

from benchmarks.markdown import row

Case = dict[str, Any]


def table(cases: dict[str, Case]) -> list[str]:
    """Its rows, with a column for each number of workers."""
    by_workers = [cases[key] for key in sorted(cases, key=int)]
    columns = [_cells(case) for case in by_workers]
    return [row([name, *(column[name] for column in columns)]) for name in columns[0]]


def _cells(case: Case) -> dict[str, str]:
    real, simulated = case["real"], case["simulated"]
    steady, memory = real["steady"], real["memory_mb"]
    processor = steady["processor"]["driver"]
    return {
        "workers of 0.01 CPU": f"{real['workers']}",
        "trials": f"{real['trials']:,}",
        "load average before": f"{real['load_before']:.0f}",
        "trials an hour": f"{3.6e6 / steady['ms']:,.0f}",
        "trials an hour, simulated": f"{simulated['trials_an_hour']:,.0f}",
        "time of the driver, ms a trial": f"{steady['ms']:.0f}",
        "the same, simulated": f"{simulated['driver_ms_a_trial']:.0f}",
        "processor time of the driver, ms a trial": f"{processor:.0f}",
        "starts and reports a trial": f"{real['events_a_trial']:.1f}",
        "processor time of the driver, ms a start or report": (
            f"{processor / real['events_a_trial']:.2f}"
        ),
        "journal: kB a trial": f"{real['journal_bytes_a_trial'] / 1e3:.1f}",
        "journal: ms a trial": f"{steady['wall']['storage']:.1f}",
        "memory of the driver after the first trial, MiB": f"{memory['1']:.0f}",
        "memory of the driver after the last trial, MiB": f"{memory[str(real['trials'])]:.0f}",
        "private memory of a worker, MB": f"{real['most_workers']['private_mb']:.0f}",
        "workers live at once": f"{real['most_workers']['workers']}",
        "seconds until all of them are live": f"{real['most_workers']['at_s']:.0f}",
        "processor time of the sender, ms a trial": f"{real['sender_processor_ms']:.0f}",
        "largest backlog of the sender, MB": (
            f"{max(sample['unsent_mb'] for sample in real['samples']):.1f}"
        ),
        "all records in MLflow after the last trial, s": f"{real['drain_s']:.0f}",
    }


def text(case: Case) -> str:
    """What follows from a case."""
    real, simulated = case["real"], case["simulated"]
    steady, memory = real["steady"], real["memory_mb"]
    sender = real["sender_processor_ms"]
    grown = memory[str(real["trials"])] - memory["1"]
    backlog = max(sample["unsent_mb"] for sample in real["samples"])
    return (
        f"With {real['workers']} workers a trial takes the driver {steady['ms']:.0f} ms, of which "
        f"{steady['processor']['driver']:.0f} ms are processor time, against "
        f"{simulated['driver_ms_a_trial']:.0f} ms in the simulation. Its memory grows by {grown:.0f} "
        f"MiB in {real['trials']:,} trials. The sender takes {sender:.0f} ms of a processor for a "
        f"trial, so one core records {_round(3.6e6 / sender):,} trials an hour at most. Where trials "
        f"end faster than they are recorded, records wait in the spool, here up to {backlog:.1f} MB; "
        f"all were in MLflow {real['drain_s']:.0f} s after the last trial."
    )


def _round(value: float) -> int:
    """To two digits."""
    return int(float(f"{value:.2g}"))
