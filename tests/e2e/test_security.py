"""What another user, the network and a page in the browser can do while studies run and are shown."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import requests

from study import Home
from study.errors import BadInputError
from study.results.reader import read_study
from study.tracking.store import client
from study.tracking.writer import MlflowWriter
from tests.support.command import study_command
from tests.support.empty_store import new_home
from tests.support.processes import (
    BIN,
    PATIENCE_S,
    ROOT,
    SMALL,
    clean_environment,
    stop,
    wait_until,
)

pytestmark = pytest.mark.slow

# What a stranger does who knows the address.
STRANGER = """
import sys
from ray._raylet import GcsClient
print(GcsClient(address=sys.argv[1]).internal_kv_put(b"stranger", b"was here", True, None))
"""
API = "/api/2.0/mlflow"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The processes of a study while it trains, the address of its Ray and the folder of its files.

    Its worker is stopped, since nobody needs what it would train while the tests look at it.
    """
    home = new_home(tmp_path_factory.mktemp("running")).folder
    user = tmp_path_factory.mktemp("user")
    command = [BIN / "study", "run", "studies/digits.toml", "--name", "long", "--home", home]
    command += ["--trials", "500", "--set", "budget.epochs=500"]
    command += ["--set", "resources.concurrent_trials=1", *SMALL]
    environment = clean_environment(HOME=str(user))
    with (
        (home / "log").open("w") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until(lambda: list(home.rglob("checkpoint.safetensors")), "a checkpoint", process)
            worker = wait_until(
                lambda: next(filter(_trains, _tree(process.pid)), None), "a worker", process
            )
            stop(worker.pid)
            tree = _tree(process.pid)
            server = next(one for one in tree if one.name() == "gcs_server")
            port = next(one.laddr.port for one in server.net_connections() if not one.raddr)
            session = next(
                part.split("=", 1)[1]
                for one in tree
                for part in _command(one).split()
                if part.startswith(("--session-dir=", "--session_dir="))
            )
            yield SimpleNamespace(
                tree=tree,
                session=Path(session),
                address=f"127.0.0.1:{port}",
                token=server.environ()["RAY_AUTH_TOKEN"],
                home=home,
                user=user,
            )
        finally:
            for one in filter(_trains, _tree(process.pid) if process.poll() is None else ()):
                one.resume()
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)
    assert not Path(session).parent.parent.exists(), "Ray's folders outlive the study"


def _tree(pid):
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _command(process):
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _trains(process):
    return "StudyTrainable" in _command(process)


def _listening(tree):
    """The address and port of every socket that waits for others, with the process that has it."""
    found = []
    for process in tree:
        with suppress(psutil.NoSuchProcess):
            found += [
                (one.laddr.ip, one.laddr.port, _command(process))
                for one in process.net_connections("inet")
                if not one.raddr
            ]
    return found


def _is_loopback(ip):
    return ip in ("127.0.0.1", "::1", "::ffff:127.0.0.1")


def test_a_running_study_listens_on_this_machine_alone(running):
    found = _listening(running.tree)
    assert len(found) > 5, "Ray's servers are not seen"
    assert [one for one in found if not _is_loopback(one[0])] == []


def test_a_study_starts_none_of_rays_processes_in_vain(running):
    """Each of these would load Python's libraries, for a second or two, at every start."""
    in_vain = re.compile(r"monitor\.py|dashboard/dashboard\.py|ray::IDLE")
    assert [found for found in map(_command, running.tree) if in_vain.search(found)] == []


@pytest.mark.parametrize("given", ["none", "wrong", "its own"])
def test_only_the_token_of_the_study_opens_its_ray(given, running, tmp_path):
    settings = {"RAY_AUTH_MODE": "token", "HOME": str(tmp_path)}
    settings |= {
        "none": {"RAY_AUTH_MODE": "disabled"},
        "wrong": {"RAY_AUTH_TOKEN": "0" * 64},
        "its own": {"RAY_AUTH_TOKEN": running.token},
    }[given]
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, running.address],
        env=clean_environment(**settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if given == "its own":
        assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    else:
        assert done.returncode != 0
        assert "AuthenticationError" in done.stderr
        assert done.stdout == ""


def test_ray_answers_no_request_without_the_token_but_for_its_metrics(running):
    """The agents speak HTTP: one starts environments, one takes jobs."""
    refused = 0
    for _, port, _ in _listening(running.tree):
        with suppress(requests.RequestException):
            for path in ("/api/jobs/", "/get_or_create_runtime_env"):
                answer = requests.post(f"http://127.0.0.1:{port}{path}", data=b"", timeout=5)
                assert answer.status_code in (401, 403, 404, 405), (port, path, answer.text)
                refused += answer.status_code == 401
    assert refused >= 2


def test_the_token_is_in_no_file_and_in_no_arguments(running):
    assert len(running.token) == 64
    assert not [one for one in running.tree if running.token in _command(one)]
    # Where Ray would keep one for all clusters; the engine keeps its code there.
    assert [file.name for file in running.user.iterdir()] == [".cache"]
    folders = (running.session, running.home, running.user)
    files = [file for folder in folders for file in folder.rglob("*")]
    assert {"gcs_server.out", "driver.json"} <= {file.name for file in files}
    for file in files:
        if file.is_file():
            with suppress(FileNotFoundError):
                assert running.token.encode() not in file.read_bytes(), file


NOBODY = 65534

# The rest of a script is another user's, once Python has read what it needs.
BECOME = """
import encodings.idna, json, os, sys, urllib.error, urllib.request
user = int(sys.argv.pop(1))
if os.geteuid() != user:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
"""

# Looks into a folder, puts a file there, and a link.
INTRUDE = """
folder = sys.argv[1]
for act in (os.listdir, lambda to: os.mkdir(to + "/x"), lambda to: os.symlink("/", to + "/y")):
    try:
        act(folder)
    except PermissionError:
        print("refused")
"""


def _as_user(user, script, *arguments):
    """What a script prints that is run as the user with a number; as any but ourselves only by root."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", BECOME + script, str(user), *arguments],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rays_folders_are_the_users_alone(running):
    """Their modes are Ray's, which lets everybody in: nobody gets as far."""
    private = running.session.parent.parent
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert private.stat().st_uid == os.geteuid()
    # Another user can only be had by root; the mode above is what refuses it.
    for folder in ("sockets", "logs") if os.geteuid() == 0 else ():
        said = _as_user(NOBODY, INTRUDE, running.session / folder)
        assert said == 3 * "refused\n", folder


def test_what_ray_starts_makes_private_files_and_the_driver_those_of_its_user(running):
    def umask(process):
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(re.search(r"Umask:\s*(\d+)", status).group(1), 8)

    driver, *children = running.tree
    rays = [
        one
        for one in children
        if str(running.session) in _command(one) or _command(one).startswith("ray::")
    ]
    assert len(rays) > 3
    assert {umask(one) for one in rays} == {0o077}
    assert umask(driver) == umask(psutil.Process())


@pytest.fixture(scope="module")
def experiment(ui):
    """The id of the small study's experiment."""
    found = requests.get(
        f"{ui.address}{API}/experiments/get-by-name",
        params={"experiment_name": "small"},
        headers=ui.as_user,
        timeout=PATIENCE_S,
    )
    return found.json()["experiment"]["experiment_id"]


def test_the_ui_listens_on_this_machine_alone(ui):
    found = _listening(_tree(ui.pid))
    assert ui.port in {port for _, port, _ in found}
    assert [one for one in found if not _is_loopback(one[0])] == []


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("attacker.example:{port}", 403),
        ("attacker.example", 403),
        ("127.0.0.1.attacker.example:{port}", 403),
        ("127.0.0.1:1", 403),
        ("192.168.1.1:{port}", 403),
    ],
)
def test_the_ui_answers_to_its_own_name_alone(host, status, ui):
    for path in ("/", f"{API}/experiments/get-by-name?experiment_name=small", "/version2"):
        answer = requests.get(
            f"{ui.address}{path}",
            headers=ui.as_user | {"Host": host.format(port=ui.port)},
            timeout=PATIENCE_S,
        )
        assert answer.status_code in ({status} if status == 403 else {200, 404}), path


def test_the_ui_answers_nobody_without_its_secret(ui):
    cookie = f"study-ui-{ui.port}"
    for path in (
        "/",
        "/health",
        "/version",
        f"{API}/experiments/search",
        "/get-artifact",
        "/?token=",
    ):
        for headers in (
            {},
            {"Authorization": "Bearer "},
            {"Authorization": f"Bearer {ui.secret[:-1]}"},
            {"Authorization": f"Basic {ui.secret}"},
            {"Cookie": f"{cookie}="},
            {"Cookie": f"{cookie}={ui.secret}x"},
            {"Cookie": f"study-ui-{ui.port + 1}={ui.secret}"},
        ):
            for method in ("GET", "POST", "OPTIONS"):
                answer = requests.request(
                    method, f"{ui.address}{path}", headers=headers, timeout=PATIENCE_S
                )
                assert answer.status_code == 401, (method, path, headers, answer.text)
                assert "open the last link printed by `study ui`" in answer.text
                assert "Set-Cookie" not in answer.headers


def test_a_link_signs_in_once_and_leaves_the_address(ui):
    status, headers = ui.answer
    assert (status, headers["cache-control"]) == (200, "no-store")
    cookie, *attributes = headers["set-cookie"].split("; ")
    assert cookie == f"study-ui-{ui.port}={ui.secret}"
    assert {"HttpOnly", "SameSite=strict"} <= set(attributes)
    assert ui.next != ui.first
    for cookies, then in (({}, 401), (dict([cookie.split("=")]), 200)):
        again = requests.get(ui.first, cookies=cookies, timeout=PATIENCE_S)
        assert again.status_code == then
    assert 'location.replace("/" + location.hash)' in again.text  # in a browser: test_browser.py


def test_the_secret_of_the_ui_is_in_no_arguments_and_in_no_file(ui, small_study):
    tree = _tree(ui.pid)
    assert len(tree) > 1
    for text in (ui.secret, ui.first.partition("token=")[2], ui.next.partition("token=")[2]):
        assert not [one for one in tree if text in _command(one)]
        assert text not in (small_study.home / "ui.log").read_text()


FOREIGN = (
    {"Origin": "http://attacker.example"},
    {"Origin": "https://127.0.0.1.attacker.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:{other}"},
    {"Origin": "http://localhost:{other}"},
    {"Origin": "http://localhost:{port}"},  # asked as 127.0.0.1
    {"Origin": "http://127.0.0.1"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "image"},  # another port, as browsers see it
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"},
)


def test_a_page_of_another_origin_changes_and_reads_nothing(ui, experiment):
    """Also with the secret, which a browser sends for any page of this machine."""
    tag = {"experiment_id": experiment, "key": "foreign", "value": "was here"}
    for headers in FOREIGN:
        told = {
            name: value.format(port=ui.port, other=ui.port + 1) for name, value in headers.items()
        }
        for prefix in ("/api", "/ajax-api"):
            address = f"{ui.address}{prefix}/2.0/mlflow/experiments"
            for kind in ("application/json", "text/plain"):
                answer = requests.post(
                    f"{address}/set-experiment-tag",
                    data=json.dumps(tag),
                    headers=ui.as_user | told | {"Content-Type": kind},
                    timeout=PATIENCE_S,
                )
                assert answer.status_code == 403, (told, prefix, kind, answer.text)
                assert "Access-Control-Allow-Origin" not in answer.headers
            answer = requests.get(
                f"{address}/get?experiment_id={experiment}",
                headers=ui.as_user | told,
                timeout=PATIENCE_S,
            )
            assert answer.status_code == 403, (told, answer.text)
    found = requests.get(
        f"{ui.address}{API}/experiments/get",
        params={"experiment_id": experiment},
        headers=ui.as_user | {"Origin": ui.address, "Sec-Fetch-Site": "same-origin"},
        timeout=PATIENCE_S,
    )
    assert found.status_code == 200
    assert "foreign" not in found.text
    assert found.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_the_ui_runs_no_jobs_and_confines_the_assistant(ui):
    job = {"job_name": "x", "params": {}}
    answer = requests.post(
        f"{ui.address}/ajax-api/3.0/jobs/", json=job, headers=ui.as_user, timeout=PATIENCE_S
    )
    assert not answer.ok, answer.text
    servers = [one for one in _tree(ui.pid) if "study.report.ui_server" in _command(one)]
    assert servers
    for server in servers:
        # It is the setting that is seen here: the assistant itself answers, and none is installed.
        assert server.environ()["MLFLOW_ENABLE_ASSISTANT_SANDBOX"] == "true"
        assert server.environ()["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


STEPS = (
    "../../../../../../etc/passwd",
    "..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "%252e%252e%252f%252e%252e%252f%252e%252e%252fetc%252fpasswd",
    "..%5c..%5c..%5c..%5cetc%5cpasswd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "file:///etc/passwd",
    "report.html/../../../../../../../../etc/passwd",
    "network/..;/..;/etc/passwd",
    "../../../mlflow.db",
    "..%2f..%2f..%2fmlflow.db",
)


@pytest.mark.parametrize("steps", STEPS)
def test_the_ui_gives_no_file_that_is_no_artifact(steps, ui, experiment, small_study):
    home = Home.find(small_study.home)
    assert home.database.exists()
    runs = requests.post(
        f"{ui.address}{API}/runs/search",
        json={"experiment_ids": [experiment]},
        headers=ui.as_user,
        timeout=PATIENCE_S,
    ).json()["runs"]
    run = runs[0]["info"]["run_id"]
    paths = [
        f"/get-artifact?run_id={run}&path={steps}",
        f"/ajax-api/2.0/mlflow/get-artifact?run_id={run}&path={steps}",
        f"/model-versions/get-artifact?name=x&version=1&path={steps}",
        f"{API}/artifacts/list?run_id={run}&path={steps}",
        f"/api/2.0/mlflow-artifacts/artifacts/{steps}",
        f"/ajax-api/2.0/mlflow-artifacts/artifacts/{steps}",
        f"/api/2.0/mlflow-artifacts/artifacts?path={steps}",
        f"/static-files/{steps}",
        f"/{steps}",
    ]
    for path in paths:
        answer = _get_as_it_is(ui, path)
        assert b"root:" not in answer, path
        assert b"SQLite format 3" not in answer, path
        assert b"mlflow.db" not in answer.partition(b"\r\n\r\n")[2].replace(steps.encode(), b""), (
            path
        )


def _get_as_it_is(ui, path):
    """What is answered to a path that no client tidies up before."""
    with socket.create_connection(("127.0.0.1", ui.port), timeout=PATIENCE_S) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{ui.port}\r\nConnection: close\r\n"
        request += f"Authorization: Bearer {ui.secret}\r\n\r\n"
        connection.sendall(request.encode())
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


# Makes an experiment whose runs keep their artifacts in a folder, puts a link to another folder in
# the place of a run's, and reads and writes there. Prints the status of each request, and the answers.
ATTACK = """
address, name, location, folder, victim, *secret = sys.argv[1:]
headers = {"Authorization": "Bearer " + one for one in secret}
def ask(path, content=None, kind="application/json"):
    asked = urllib.request.Request(address + path, content, headers | {"Content-Type": kind})
    try:
        with urllib.request.urlopen(asked) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
def post(path, **content):
    return ask("/api/2.0/mlflow/" + path, json.dumps(content).encode())
answers = [post("experiments/create", name=name, artifact_location=location)]
experiment = json.loads(answers[0][1])["experiment_id"] if answers[0][0] == 200 else "0"
answers += [post("runs/create", experiment_id=experiment)]
run = json.loads(answers[1][1])["run"]["info"]["run_id"] if answers[1][0] == 200 else "none"
os.makedirs(folder + "/" + run, exist_ok=True)
os.symlink(victim, folder + "/" + run + "/artifacts")
answers += [
    ask("/get-artifact?path=token&run_uuid=" + run),
    ask("/api/2.0/mlflow/artifacts/list?run_id=" + run),
    ask("/ajax-api/2.0/mlflow/upload-artifact?path=planted&run_uuid=" + run, b"x", "text/plain"),
]
print(json.dumps(answers))
"""


@pytest.fixture
def victim(tmp_path):
    """A folder of the user's with a file, which nobody else may enter."""
    folder = tmp_path / "victim"
    folder.mkdir(mode=0o700)
    (folder / "token").write_text("the users token")
    (folder / "token").chmod(0o600)
    yield folder
    assert [file.name for file in folder.iterdir()] == ["token"], "the attacker wrote"


@pytest.fixture
def attackers_folder():
    """Where everybody may write, as pytest's own folders are not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def _attack(user, ui, location, *places_and_secret):
    name = f"x{secrets.token_hex(4)}"
    return json.loads(_as_user(user, ATTACK, ui.address, name, location, *places_and_secret))


def test_another_user_of_the_machine_reads_and_writes_nothing(ui, attackers_folder, victim):
    """Really another one where root runs the tests; elsewhere ourselves, whom the server sees alike."""
    user = NOBODY if os.geteuid() == 0 else os.geteuid()
    answers = _attack(user, ui, attackers_folder.as_uri(), attackers_folder, victim)
    assert [status for status, _ in answers] == [401] * 5, answers
    assert [made.stat().st_uid for made in attackers_folder.iterdir()] == [user]


def test_the_ui_serves_artifacts_of_its_home_alone(ui, attackers_folder, victim, small_study):
    """Also to who has the secret: records may be somebody else's."""
    us = os.geteuid()
    create, *rest = _attack(us, ui, attackers_folder.as_uri(), attackers_folder, victim, ui.secret)
    assert create[0] == 400
    assert f"must be within {(small_study.home / 'artifacts').as_uri()}, and neither" in create[1]
    assert all("the users token" not in text for _, text in rest)

    inside = small_study.home / "artifacts" / "planted"
    create, run, *rest = _attack(us, ui, inside.as_uri(), inside, victim, ui.secret)
    shutil.rmtree(inside)
    assert (create[0], run[0]) == (200, 200)
    assert [status for status, _ in rest] == [400] * 3, rest
    assert all(f"symbolic link, got {inside.as_uri()}" in text for _, text in rest)
    gone = {"experiment_id": json.loads(create[1])["experiment_id"]}
    requests.post(
        f"{ui.address}{API}/experiments/delete", json=gone, headers=ui.as_user, timeout=60
    )


@pytest.fixture
def through_the_ui(ui, tmp_path, monkeypatch):
    """A home whose records are on a server that names files of this machine as artifacts."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", ui.secret)
    return Home(folder=tmp_path / "home", tracking_uri=ui.address)


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("best", "small"),
        ("report", "small", "--to", "report.html"),
        ("export", "small", "--to", "network"),
        ("predict", "small", "image.png"),
        ("promote", "small", "0", "--as", "champion"),
        ("retrain", "small", "0", "--replicates", "1"),
        ("run", ROOT / "studies/digits.toml", "--name", "small"),
    ],
    ids=lambda command: command[0],
)
def test_a_command_follows_no_server_to_files_of_this_machine(command, ui, tmp_path):
    done = study_command(
        *command,
        cwd=tmp_path,
        MLFLOW_TRACKING_URI=ui.address,
        MLFLOW_TRACKING_TOKEN=ui.secret,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"an artifact location of the server {ui.address} must be on a server" in done.stderr
    assert done.stdout.count("\n") == ("run" in command)  # its first line
    assert list(tmp_path.iterdir()) == []


def test_it_does_where_the_user_allows_it_or_no_artifact_is_needed(ui, tmp_path):
    asked = ("best", "small", "--json", "--home", tmp_path, "--tracking-uri", ui.address)
    for more in (("--allow-local-artifacts",), ("--fresh",)):
        done = study_command(*asked, *more, MLFLOW_TRACKING_TOKEN=ui.secret)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)


def test_nothing_is_recorded_where_a_server_names_files_of_this_machine(
    through_the_ui, small_study, tmp_path
):
    store = client(through_the_ui)
    parent = read_study("small", through_the_ui).parent
    (model, *_) = store.search_logged_models([parent.info.experiment_id])
    (tmp_path / "file").write_text("x")
    spec = read_study("small", through_the_ui).spec
    for write in (
        lambda: store.log_artifact(parent.info.run_id, str(tmp_path / "file")),
        lambda: store.log_artifacts(parent.info.run_id, str(tmp_path)),
        lambda: store.log_model_artifact(model.model_id, str(tmp_path / "file")),
        lambda: MlflowWriter(spec, through_the_ui, through_the_ui.study_folder("small")),
    ):
        with pytest.raises(BadInputError, match="must be on a server, got"):
            write()
    assert not list((small_study.home / "artifacts").rglob("file"))
