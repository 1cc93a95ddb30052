import re
import shlex
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path

import click
import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli, start

from tests.support.autoscaler import launches

FILE = Path(__file__).parents[2] / "ray_cluster.yaml"
SETUP = ("setup_commands", "head_setup_commands", "worker_setup_commands")
START = ("head_start_ray_commands", "worker_start_ray_commands")
EVERY = ("initialization_commands", *SETUP, *START)
LOOPBACK = "127.0.0.1"

# MLflow's command line loads all of MLflow: a type of its own that it cannot check, and tables that
# use what SQLAlchemy is to drop.
loads_mlflow = pytest.mark.filterwarnings(
    "ignore:.*Any type hint is inferred as AnyType:UserWarning",
    "ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning",
)


def cluster():
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def check(config):
    """What `ray up` does with a file before it asks the provider for anything."""
    prepared = prepare_config(deepcopy(config))
    validate_config(prepared)
    return prepared


def commands(*phases):
    config = cluster()
    return [command for phase in phases for command in config[phase]]


def calls(program, *phases):
    """The arguments of each call of the program, up to where the shell goes on."""
    found = []
    for command in commands(*phases):
        lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        for index in range(len(words)):
            if words[index : index + len(program)] == program:
                rest = words[index + len(program) :]
                end = next((i for i, word in enumerate(rest) if set(word) <= set("();<>|&")), None)
                found.append(rest[:end])
    return found


def parsed(command, arguments):
    """The values of the options, as the command itself reads them; it refuses unknown ones."""
    return command.make_context(command.name, list(arguments)).params


def mlflow_server():
    from mlflow.cli import server  # noqa: PLC0415  # its warning must fall into a test

    return server


def bash(script, **kwargs):
    program = shutil.which("bash")
    return subprocess.run(
        [program, "-c", script], check=True, capture_output=True, text=True, **kwargs
    ).stdout


def test_ray_accepts_the_file():
    prepared = check(cluster())
    assert set(prepared["available_node_types"]) == {
        "head",
        "gpu_worker_spot",
        "gpu_worker_on_demand",
    }
    assert prepared["idle_timeout_minutes"] > 0
    check(prepared)  # the head reads what `ray up` has prepared, and prepares it again


def test_ray_accepts_the_file_as_changed_for_own_machines():
    config = cluster()
    del config["available_node_types"], config["head_node_type"]
    workers = ["192.0.2.2", "192.0.2.3"]
    config["provider"] = {"type": "local", "head_ip": "192.0.2.1", "worker_ips": workers}
    config["max_workers"] = len(workers)
    (nodes,) = check(config)["available_node_types"].values()
    assert (nodes["min_workers"], nodes["max_workers"]) == (2, 2)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda config: config.update(colour="red"), jsonschema.ValidationError, "colour"),
        (lambda config: config.pop("head_node_type"), ValueError, "head_node_type"),
        (lambda config: config.update(head_node_type="hed"), ValueError, "head_node_type"),
        (lambda config: config.update(max_workers="8"), jsonschema.ValidationError, "'8' is not"),
        (lambda config: config["provider"].pop("type"), KeyError, "type"),
        (
            lambda config: config["available_node_types"]["head"].pop("node_config"),
            jsonschema.ValidationError,
            "'node_config' is a required property",
        ),
        (
            lambda config: config["available_node_types"]["gpu_worker_spot"].update(min_workers=9),
            ValueError,
            "`max_workers` is smaller",
        ),
    ],
)
def test_ray_refuses_a_broken_file(damage, error, message):
    config = cluster()
    damage(config)
    with pytest.raises(error, match=message):
        check(config)


def test_workers_come_from_none_and_the_head_runs_no_trial():
    config = cluster()
    types = config["available_node_types"]
    spot, on_demand = types["gpu_worker_spot"], types["gpu_worker_on_demand"]
    assert types["head"]["resources"] == {"CPU": 0}
    assert types["head"]["max_workers"] == 0
    assert spot["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in on_demand["node_config"]
    assert spot["resources"] == on_demand["resources"]
    assert spot["resources"]["GPU"] == 1
    assert spot["min_workers"] == on_demand["min_workers"] == 0
    assert spot["priority"] > on_demand["priority"]
    assert spot["max_workers"] + on_demand["max_workers"] == config["max_workers"]


@pytest.mark.parametrize(
    ("trials", "launched"),
    [
        (1, {"gpu_worker_spot": 1}),
        (6, {"gpu_worker_spot": 6}),
        (7, {"gpu_worker_spot": 6, "gpu_worker_on_demand": 1}),
        (20, {"gpu_worker_spot": 6, "gpu_worker_on_demand": 2}),
    ],
)
def test_ray_launches_spot_workers_first_and_on_demand_beyond_them(trials, launched):
    assert launches(cluster(), {"CPU": 1, "GPU": 1}, trials) == launched


def test_ray_knows_the_commands_that_the_head_of_the_file_shows():
    shown = re.findall(r"^# +ray ([^#\n]+)", FILE.read_text(encoding="utf-8"), re.MULTILINE)
    names = {shlex.split(line)[0] for line in shown}
    assert {"get-auth-token", "up", "dashboard", "attach", "exec", "down"} <= names
    for line in shown:
        name, *arguments = shlex.split(line)
        parsed(cli.commands[name], arguments)


def test_ray_start_knows_the_options_of_the_head():
    (arguments,) = calls(["ray", "start"], "head_start_ray_commands")
    options = parsed(start, arguments)
    assert options["head"]
    assert options["num_cpus"] == 0
    assert (options["dashboard_host"], options["dashboard_port"]) == (LOOPBACK, 8265)
    assert options["autoscaling_config"] == "~/ray_bootstrap_config.yaml"


def test_ray_start_knows_the_options_of_the_workers_and_they_find_the_head():
    (head,) = calls(["ray", "start"], "head_start_ray_commands")
    (arguments,) = calls(["ray", "start"], "worker_start_ray_commands")
    port = parsed(start, head)["port"]
    assert parsed(start, arguments)["address"] == f"$RAY_HEAD_IP:{port}"


@loads_mlflow
def test_the_mlflow_server_knows_its_options_and_serves_the_head_only():
    (arguments,) = calls(["mlflow", "server"], *EVERY)
    options = parsed(mlflow_server(), arguments)
    assert options["host"] == LOOPBACK
    assert options["app_name"] == "basic-auth"
    # MLflow compares with the port.
    port = options["port"]
    assert options["allowed_hosts"] == f"{LOOPBACK}:{port},localhost:{port}"
    address = f"http://{LOOPBACK}:{options['port']}"
    uses = [command for command in commands(*EVERY) if f"{LOOPBACK}:5000" in command]
    assert uses
    assert all(address in command for command in uses)


@loads_mlflow
@pytest.mark.parametrize("command", [lambda: start, mlflow_server])
def test_an_option_that_is_not_there_is_noticed(command):
    with pytest.raises(click.NoSuchOption, match="--prot"):
        parsed(command(), ["--prot=1"])


def test_no_node_listens_to_the_world():
    for command in commands(*EVERY):
        assert "0.0.0.0" not in command  # noqa: S104  # what must not be there
        assert "=::" not in command


def test_a_node_has_token_authentication_and_this_projects_python_first(tmp_path):
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    bash("touch ~/.bashrc; mkdir ~/mlflow; echo of-the-head > ~/mlflow/password", env=home)
    writers = [
        command
        for command in commands("setup_commands", "head_setup_commands")
        if ".study-env" in command
    ]
    for command in writers * 2:  # each must bear repeating
        bash(command, env=home)
    lines = bash(". ~/.bashrc && env", env=home).splitlines()
    variables = dict(line.partition("=")[::2] for line in lines)
    assert variables["RAY_AUTH_MODE"] == "token"
    assert variables["PATH"].split(":")[0] == f"{tmp_path}/.venv-study/bin"
    assert variables["STUDY_HOME"] == f"{tmp_path}/studies"
    assert variables["RAY_TMPDIR"] == f"{tmp_path}/.ray"  # which the first command closes to others
    assert "MLFLOW_TRACKING_PASSWORD=of-the-head" in lines
    assert "of-the-head" not in (tmp_path / ".study-env").read_text()
    assert (tmp_path / ".bashrc").read_text().count(".study-env") == 1


@pytest.mark.parametrize("phase", START)
def test_every_node_gets_the_token_and_starts_ray_with_it(phase):
    file = "~/.ray/auth_token"  # where Ray looks for it
    assert cluster()["file_mounts"][file] == file
    for action in ("stop", "start"):
        (command,) = [command for command in commands(phase) if f"ray {action}" in command]
        assert f". ~/.study-env && ray {action}" in command


def test_every_node_installs_this_folder_with_the_pinned_versions():
    config = cluster()
    assert config["file_mounts"]["~/dendritic-study"] == "."
    assert {"/.git", "/.venv", "/runs", "/data"} <= set(config["rsync_exclude"])
    installs = [command for command in commands(*SETUP) if "pip install" in command]
    assert any("-c constraints.txt -e '.[server]'" in command for command in installs)
    assert all("constraints.txt" in command for command in installs)
    assert all("~/.venv-study/bin/pip" in command for command in installs)


@pytest.mark.parametrize("command", commands(*EVERY))
def test_every_command_is_one_for_bash(command):
    bash('bash -n -c "$COMMAND"', env={"COMMAND": command, "PATH": "/usr/bin:/bin"})
