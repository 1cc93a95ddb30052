"""Reads mutated specs, each within two seconds of processor time, all within 500 MB."""

import copy
import json
import random
import resource
import signal
import sys
from pathlib import Path

import tomli_w

from study.errors import SpecError
from study.search.budget import trials_allowed
from study.search.grid import grid
from study.search.rungs import rung_epochs
from study.search.space import check_space
from study.spec.study_spec import StudySpec

resource.setrlimit(resource.RLIMIT_DATA, (500_000_000,) * 2)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
folder, count = Path(sys.argv[1]), int(sys.argv[2])
draw = random.Random(0)  # noqa: S311  # the same specs in each run
BASE = {
    "name": "a",
    "dataset": {"name": "digits", "root": "data", "train_size": 100},
    "families": ["dann-r", "vann", "cnn"],
    "replicates": 2,
    "seed": 3,
    "sampler": "ehvi",
    "objectives": {"val_accuracy": {"goal": "maximize"}, "macs": "minimize"},
    "constraints": ["trainable_parameters <= 20000", "2 * macs >= -(3 + 4)"],
    "diagnostics": ["generalisation"],
    "earlier": [],
    "start": [{"family": "vann", "somata": 8}, {"family": "dann-r", "learning_rate": 0.01}],
    "space": {
        "somata": [8, 16],
        "dendrites": {"low": 1, "high": 8, "log": True},
        "synapses": 4,
        "layers": 2,
        "leaky_slope": 0.1,
        "dropout": [0.0, 0.5],
        "schedule": ["cosine", "constant"],
        "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
        "batch_size": 64,
        "patience": 0,
        "noise": 0.25,
        "batch_order": "shuffled",
    },
    "budget": {"trials": 5, "epochs": 20, "total_epochs": 100, "minutes": 5.0, "stagnation": 9},
    "stopping": {"scheduler": "pareto", "grace_epochs": 2, "reduction_factor": 2.0},
    "resources": {"cpus": 1.0, "gpus": 0.125, "concurrent_trials": 3},
    "storage": {"checkpoints": "s3://bucket/studies", "checkpoint_share": 0.1},
}
NUMBERS = [
    0,
    -1,
    1,
    2,
    1.5,
    3,
    7,
    0.5,
    50,
    1.0000001,
    1.1,
    1e-9,
    1e-320,
    100,
    101,
    2**31,
    2**63,
    2**64,
    10**18 + 3,
    10**40,
    10**400,
    1e30,
    1e38,
    1e308,
    -1e308,
    float("inf"),
    float("nan"),
    10_000_000,
    1_000_000,
    9_999_991,
]
OTHERS = [
    True,
    "",
    "5",
    "vann",
    "\udc80",
    "\0",
    "\x1b[31m",
    "a" * 5000,
    "../..",
    [],
    {},
    [[]],
    [1] * 5000,
    list(range(5000)),
    {"low": 1, "high": 10**30},
    {"low": 1, "high": 2, "step": 1},
    None,
    {"low": float("nan"), "high": 1},
    {"goal": "maximize", "from": 0.5},
    {"goal": "maximize", "from": 10**400},
    [None],
    ["a", 1],
    {f"key{number}": number for number in range(1000)},
    "-" * 299 + "1 <= macs",
    "macs <= 1e999",
    "(" * 250,
    "macs <= 1" + "0" * 280,
    "macs ** 9 ** 9 <= 1",
    "1 / 0 <= macs",
    "macs <= True",
]
TEXTS = [
    "9" * 5000,
    "0x" + "f" * 6000,
    "1e999",
    "[" * 3000 + "]" * 3000,
    "{a=" * 3000 + "}" * 3000,
    "1979-05-27",
    "inf",
    "nan",
    '"""',
    "[1,",
    "\ufeff",
    "\x00",
    "a" + ".a" * 30000 + " = 1\n",
    "a" + ".a" * 150 + " = 1\n",
    "x = 1\n" * 3000,
    "[[space]]\n",
    "#" * 300000,
    "true",
    "-0.0",
    "1_000",
]


def places(table):
    """Every container of a spec, with the keys in it."""
    found = [(table, key) for key in (table if isinstance(table, dict) else range(len(table)))]
    for holder, key in list(found):
        if isinstance(holder[key], dict | list):
            found += places(holder[key])
    return found


def mutate(table):
    holder, key = draw.choice(places(table))
    match draw.randrange(6):
        case 0 | 1:
            holder[key] = draw.choice(NUMBERS)
        case 2:
            holder[key] = copy.deepcopy(draw.choice(OTHERS))
        case 3:
            del holder[key]
        case 4:
            deep = holder[key]
            for _ in range(draw.choice([1, 3, 30, 150])):
                deep = [deep] if draw.randrange(2) else {"low": deep}
            holder[key] = deep
        case 5:
            if isinstance(holder, dict):
                holder[draw.choice(["typo", "a.b", "\ud800", "somata", "x" * 5000])] = 1
            else:
                holder.append(draw.choice(NUMBERS))


def mutate_text(content):
    """The content with another text in it, without a part of it, with another byte, or cut off."""
    place = draw.randrange(len(content) + 1)
    match draw.randrange(4):
        case 0:
            return content[:place] + draw.choice(TEXTS).encode() + content[place:]
        case 1:
            return content[:place] + content[place + draw.choice([1, 9, 99]) :]
        case 2:
            return content[:place] + bytes([draw.randrange(256)]) + content[place + 1 :]
        case _:
            return content[:place]


def written():
    """The content of a file, and how its name ends."""
    table = copy.deepcopy(BASE)
    if draw.randrange(2):
        table["sampler"] = "grid"
        table["space"]["learning_rate"] = 0.01
    for _ in range(draw.choice([1, 1, 2, 5])):
        if table:
            mutate(table)
    try:
        content, ending = tomli_w.dumps(table).encode(), ".toml"
    except (TypeError, ValueError, RecursionError):
        content, ending = b"", ".json"
    if not content or draw.randrange(2):
        content, ending = json.dumps(table).encode(), ".json"
    if draw.randrange(5) == 0:
        for _ in range(draw.choice([1, 3, 30])):
            content = mutate_text(content)
    return content, ending


def late(*_):
    raise TimeoutError("two seconds of processor time are over")


def read(file):
    """What becomes of a spec before anything is started."""
    spec = StudySpec.from_toml(file)
    check_space(spec, (1, 8, 8), 10)
    rung_epochs(spec)
    trials_allowed(spec, len(grid(spec)) if spec.sampler == "grid" else None)
    assert StudySpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    spec.to_toml().encode()


signal.signal(signal.SIGPROF, late)
found = {"specs": 0, "refused": 0, "wrong": []}
for number in range(count):
    content, ending = written()
    file = folder / f"spec{ending}"
    file.write_bytes(content)
    signal.setitimer(signal.ITIMER_PROF, 2)
    try:
        read(file)
        found["specs"] += 1
    except SpecError as error:
        message = str(error)
        found["refused"] += 1
        if len(message) > 20_000 or not message.replace("\n", "").isprintable():
            found["wrong"].append([number, message[:200]])
    except BaseException as error:  # noqa: BLE001  # whatever it is
        found["wrong"].append([number, f"{type(error).__name__}: {error}"[:200]])
        (folder / f"wrong-{number}{ending}").write_bytes(content)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
sys.stdout.write(json.dumps(found))
