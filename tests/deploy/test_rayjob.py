"""deploy/*.yaml and deploy/Dockerfile, as far as they can be checked without Kubernetes and Docker."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from copy import deepcopy
from pathlib import Path, PurePosixPath

import jsonschema
import kubernetes_validate
import pytest
import ray
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)
from typer.main import get_command

from study.cli.app import app
from study.cluster.capacity import Node
from study.cluster.study_job import STUDY
from study.spec.study_spec import StudySpec
from tests.support.autoscaler import launches
from tests.support.kuberay_rules import broken_rules

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SCHEMA = json.loads((ROOT / "tests/deploy/rayjob.schema.json").read_text(encoding="utf-8"))
# Old ones that are still run, and the newest that is known.
KUBERNETES = ["1.29", kubernetes_validate.latest_version()]


def documents(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def found(kind, name=None):
    """The documents of a kind, in all files."""
    everything = [one for file in sorted(DEPLOY.glob("*.yaml")) for one in documents(file.name)]
    return [
        one for one in everything if one["kind"] == kind and name in {None, one["metadata"]["name"]}
    ]


def rayjob():
    (job,) = found("RayJob")
    return job


def templates(job):
    """The pod templates within a RayJob, which are of Kubernetes itself."""
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    return {
        "submitter": spec["submitterPodTemplate"],
        "head": cluster["headGroupSpec"]["template"],
        **{group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]},
    }


def pods():
    """The specs of all pods, by what they are for."""
    inner = {name: template["spec"] for name, template in templates(rayjob()).items()}
    return inner | {"reader": found("Pod")[0]["spec"]}


def container(pod):
    (one,) = pods()[pod]["containers"]
    return one


def mounts(pod):
    """What is mounted where: the volume's source, by path."""
    volumes = {volume["name"]: volume for volume in pods()[pod].get("volumes", [])}
    return {
        mount["mountPath"]: {
            key: value for key, value in volumes[mount["name"]].items() if key != "name"
        }
        for mount in container(pod).get("volumeMounts", [])
    }


def environment():
    (config,) = found("ConfigMap", "dendritic-study-environment")
    return config["data"]


def spec_file():
    """Where the head sees the spec, and its text."""
    (config,) = found("ConfigMap", "dendritic-study-spec")
    ((name, text),) = config["data"].items()
    (place,) = [
        path
        for path, source in mounts("head").items()
        if source.get("configMap") == {"name": "dendritic-study-spec"}
    ]
    return PurePosixPath(place) / name, text


def spec(tmp_path):
    file = tmp_path / "spec.toml"
    file.write_text(spec_file()[1], encoding="utf-8")
    return StudySpec.from_toml(file)


def accept(job):
    """What can be said of a RayJob offline: names, types, Kubernetes' parts, the operator's rules."""
    jsonschema.validate(job, SCHEMA)
    for name, template in templates(job).items():
        whole = {
            "apiVersion": "v1",
            "kind": "PodTemplate",
            "metadata": {"name": name},
            "template": template,
        }
        for version in KUBERNETES:
            kubernetes_validate.validate(whole, version, strict=True)
    # Its own types among the fields of the autoscaler's container.
    options = job["spec"]["rayClusterSpec"]["autoscalerOptions"]
    parts = {key: options[key] for key in ("resources", "securityContext")}
    pod = {"containers": [{"name": "autoscaler", "image": "any", **parts}]}
    whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any"}, "spec": pod}
    kubernetes_validate.validate(whole, KUBERNETES[-1], strict=True)
    assert not broken_rules(job)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "ConfigMap", "Pod"])
def test_kubernetes_knows_every_field(kind, version):
    assert found(kind)
    for document in found(kind):
        kubernetes_validate.validate(document, version, strict=True)


def test_the_rayjob_is_accepted():
    accept(rayjob())


def cluster_of(job):
    return job["spec"]["rayClusterSpec"]


def pod_of(job):
    return cluster_of(job)["headGroupSpec"]["template"]["spec"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda job: job["spec"].update(entryPoint="x"), "entryPoint"),
        (lambda job: job["spec"].update(entrypoint=""), "non-empty|too short"),
        (lambda job: job["spec"].update(submissionMode="HttpMode"), "HttpMode"),
        (lambda job: job["spec"].update(backoffLimit="3"), "'3' is not of type"),
        (lambda job: job["metadata"].update(name="x" * 48), "too long"),
        (lambda job: cluster_of(job)["authOptions"].update(mode="tokens"), "tokens"),
        (lambda job: cluster_of(job)["autoscalerOptions"].update(idleTimeout=1), "idleTimeout"),
        (
            lambda job: cluster_of(job)["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}),
            "0 is not",
        ),
        (lambda job: cluster_of(job)["workerGroupSpecs"][0].update(maxReplica=1), "maxReplica"),
        (lambda job: pod_of(job)["containers"][0].update(imagePullPolice="x"), "imagePullPolice"),
        (lambda job: pod_of(job)["securityContext"].update(runAsUser="root"), "root"),
        (
            lambda job: cluster_of(job)["autoscalerOptions"]["securityContext"].update(root=1),
            "root",
        ),
        (lambda job: job["spec"].update(shutdownAfterJobFinishes=False), "ttlSecondsAfterFinished"),
        (lambda job: job["spec"].update(clusterSelector={"a": "b"}), "backoffLimit excludes"),
        (lambda job: job["spec"].update(submissionMode="SidecarMode"), "no submitter to configure"),
        (
            lambda job: job["spec"]["submitterPodTemplate"]["spec"].pop("restartPolicy"),
            "Kubernetes Job",
        ),
        (lambda job: job["spec"].update(runtimeEnvYAML="a"), "YAML mapping"),
        (lambda job: cluster_of(job).update(rayVersion="2.51.0"), "rayVersion >= 2.52"),
        (lambda job: cluster_of(job)["workerGroupSpecs"][0].update(replicas=5), "<= maxReplicas"),
        (
            lambda job: cluster_of(job)["authOptions"].update(enableK8sTokenAuth=True),
            "not for RayJobs",
        ),
        (lambda job: pod_of(job).update(restartPolicy="Always"), "restartPolicy is Never"),
    ],
)
def test_a_broken_rayjob_is_refused(damage, message):
    job = deepcopy(rayjob())
    damage(job)
    with pytest.raises((jsonschema.ValidationError, AssertionError), match=message):
        accept(job)


def test_the_whole_ray_cluster_asks_for_a_token_and_is_of_one_version():
    cluster = cluster_of(rayjob())
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    assert cluster["rayVersion"] == pins["ray"] == ray.__version__


def test_all_pods_have_the_one_image_of_this_version():
    images = {container(pod)["image"] for pod in pods()}
    (image,) = images
    assert image.endswith(f"/{PROJECT['name']}:{PROJECT['version']}")
    assert image in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("pod", ["submitter", "head", "gpu", "reader"])
def test_no_pod_runs_as_root_or_may_become_it(pod):
    assert pods()[pod]["securityContext"]["runAsNonRoot"]
    assert pods()[pod]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    users = pods()[pod]["securityContext"]
    assert f"{users['runAsUser']}:{users['runAsGroup']}" == instructions()["USER"][-1]
    security = container(pod)["securityContext"]
    assert security == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    # Only the autoscaler, which lives in the head's pod, speaks to Kubernetes.
    assert pods()[pod].get("automountServiceAccountToken", True) == (pod == "head")
    assert container(pod)["resources"]["limits"]["memory"]


def test_workers_come_from_none_and_the_head_runs_no_trial():
    cluster = cluster_of(rayjob())
    assert cluster["enableInTreeAutoscaling"]
    assert cluster["autoscalerOptions"]["idleTimeoutSeconds"] > 0
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert "nvidia.com/gpu" not in container("head")["resources"]["limits"]
    (group,) = cluster["workerGroupSpecs"]
    assert (group["replicas"], group["minReplicas"]) == (0, 0)
    (toleration,) = pods()["gpu"]["tolerations"]
    assert toleration["key"] in container("gpu")["resources"]["limits"]


@pytest.mark.parametrize(("trials", "workers"), [(1, 1), (4, 1), (5, 2), (16, 4), (20, 4)])
def test_rays_autoscaler_brings_workers_for_the_trials_that_wait(trials, workers, tmp_path):
    # As KubeRay's RayCluster has it, which the autoscaler asks Kubernetes for.
    resource = {
        "metadata": {"name": "any", "namespace": "any"},
        "spec": cluster_of(rayjob()),
    }
    derived = _derive_autoscaling_config_from_ray_cr(resource)
    assert derived["available_node_types"]["headgroup"]["resources"]["CPU"] == 0
    wanted = spec(tmp_path).resources
    trial = {"CPU": wanted.cpus, "GPU": wanted.gpus}
    assert launches(derived, trial, trials) == {"gpu": workers}


def test_as_many_trials_wait_as_all_workers_hold(tmp_path):
    (group,) = cluster_of(rayjob())["workerGroupSpecs"]
    limits = container("gpu")["resources"]["limits"]
    worker = Node(float(limits["cpu"]), float(limits["nvidia.com/gpu"]))
    wanted = spec(tmp_path).resources
    held = worker.holds(wanted.cpus, wanted.gpus)
    assert wanted.concurrent_trials == group["maxReplicas"] * held


def test_the_job_reads_the_spec_and_is_named_after_its_study(tmp_path):
    place, _ = spec_file()
    words = shlex.split(rayjob()["spec"]["entrypoint"])
    assert words == ["exec", "python", "-m", "study.cluster.job", str(place)]
    assert rayjob()["spec"]["metadata"] == {STUDY: spec(tmp_path).name}


def test_studies_and_records_are_on_a_disk_which_only_the_head_and_the_reader_have():
    home = environment()["STUDY_HOME"]
    assert environment() == {"STUDY_HOME": home}  # so the records are there, too
    for pod in ("head", "reader"):
        source = mounts(pod)[home]["persistentVolumeClaim"]
        (claim,) = found("PersistentVolumeClaim", source["claimName"])
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert not mounts("gpu")


@pytest.mark.parametrize("pod", ["head", "reader"])
def test_a_secret_wins_over_the_defaults_and_need_not_be_there(pod):
    defaults, secret = container(pod)["envFrom"]
    assert defaults == {"configMapRef": {"name": "dendritic-study-environment"}}
    assert secret == {"secretRef": {"name": "dendritic-study-mlflow", "optional": True}}
    assert "env" not in container(pod)  # it would win over both
    assert not {"env", "envFrom"} & (container("gpu").keys() | container("submitter").keys())


def test_deleting_the_job_deletes_no_volume():
    assert {one["kind"] for one in documents("rayjob.yaml")} == {"ConfigMap", "RayJob"}
    assert {one["kind"] for one in documents("storage.yaml")} == {"PersistentVolumeClaim"}


def instructions():
    """The Dockerfile: the arguments of each kind of instruction, in order."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    found = {}
    for line in filter(str.strip, lines):
        name, arguments = line.split(maxsplit=1)
        found.setdefault(name, []).append(arguments)
    return found


def test_the_image_has_all_that_the_package_is_built_from():
    copied = [source for line in instructions()["COPY"] for source in line.split()[:-1]]
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
    needed = {"pyproject.toml", "constraints.txt", PROJECT["readme"], *PROJECT["license-files"]}
    assert set(copied) == needed | set(hatch["build"]["targets"]["wheel"]["packages"])
    assert all((ROOT / source).exists() for source in copied)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert "*" in ignored
    assert {line.removeprefix("!") for line in ignored if line[0] == "!"} == set(copied)


def test_the_image_installs_the_pinned_versions_and_pip_knows_how():
    (install,) = [line for line in instructions()["RUN"] if "pip install" in line]
    words = shlex.split(install)[shlex.split(install).index("install") + 1 :]
    options = [word for word in words if word.startswith("--")]
    pip = [sys.executable, "-m", "pip", "install", "--help"]
    known = subprocess.run(pip, check=True, capture_output=True, text=True).stdout
    assert options
    assert all(re.search(rf"{option}\b", known) for option in options)
    assert words[-3:] == ["-c", "constraints.txt", ".[server]"]
    assert "server" in PROJECT["optional-dependencies"]


def test_the_image_has_a_python_that_the_package_runs_with_and_no_root():
    (image,) = instructions()["FROM"]
    assert image == "python:3.11-slim"
    assert PROJECT["requires-python"] == ">=3.11"
    user, _ = instructions()["USER"][-1].split(":")
    assert int(user) > 0
    assert any(f"--uid {user} " in line for line in instructions()["RUN"])


def test_the_page_and_the_files_show_commands_that_there_are():
    texts = [ROOT / "docs/kubernetes.md", *sorted(DEPLOY.glob("*.yaml"))]
    pattern = re.compile(r"(?:^|-- )study ([^#`\n]+)", re.MULTILINE)
    shown = [line for file in texts for line in pattern.findall(file.read_text(encoding="utf-8"))]
    assert {line.split()[0] for line in shown} >= {"best", "report", "ui", "status", "stop"}
    for line in shown:
        name, *arguments = shlex.split(line)
        get_command(app).commands[name].make_context(name, arguments)
