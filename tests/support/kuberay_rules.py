"""What KubeRay's operator refuses beyond types and names, as far as it can be said of a file alone.

Facts of the operator's own validation of a RayJob and its RayCluster, as of KubeRay 1.7, in our words.
"""

import yaml

TOKENS_SINCE = (2, 52)


def broken_rules(job):
    """The rules that a RayJob breaks; the schema (rayjob.schema.json) must hold already."""
    spec = job["spec"]
    return [*_of_job(spec), *_of_cluster(spec.get("rayClusterSpec", {}))]


def _of_job(spec):
    mode = spec.get("submissionMode", "K8sJobMode")
    shutdown = spec.get("shutdownAfterJobFinishes", False)
    retries = spec.get("backoffLimit", 0)
    submitter = spec.get("submitterPodTemplate")
    if ("clusterSelector" in spec) == ("rayClusterSpec" in spec):
        yield "a job has either a cluster of its own or a selector of one"
    if retries and "clusterSelector" in spec:
        yield "a retry is a new cluster, so backoffLimit excludes clusterSelector"
    if retries and mode == "InteractiveMode":
        yield "backoffLimit excludes InteractiveMode"
    if spec.get("ttlSecondsAfterFinished") and not shutdown:
        yield "ttlSecondsAfterFinished needs shutdownAfterJobFinishes"
    if spec.get("suspend") and not shutdown:
        yield "suspend needs shutdownAfterJobFinishes"
    if "deletionStrategy" in spec:
        yield "deletionStrategy needs a feature gate of the operator"
    if mode == "SidecarMode" and (submitter or "submitterConfig" in spec):
        yield "SidecarMode has no submitter to configure"
    if submitter and submitter["spec"].get("restartPolicy") not in {"Never", "OnFailure"}:
        yield "the pod of a Kubernetes Job needs restartPolicy Never or OnFailure"
    if not isinstance(yaml.safe_load(spec.get("runtimeEnvYAML", "{}")), dict):
        yield "runtimeEnvYAML must be a YAML mapping"


def _of_cluster(cluster):
    auth = cluster.get("authOptions", {})
    version = tuple(int(number) for number in cluster.get("rayVersion", "0").split("."))
    if auth.get("mode", "token") == "token" and auth and version < TOKENS_SINCE:
        yield "token authentication needs rayVersion >= 2.52"
    if auth.get("enableK8sTokenAuth"):
        yield "enableK8sTokenAuth is not for RayJobs"
    workers = cluster.get("workerGroupSpecs", [])
    for group in [cluster.get("headGroupSpec"), *workers]:
        if group and not group["template"]["spec"].get("containers"):
            yield "every group needs a container"
    for group in workers:
        if not group["minReplicas"] <= group.get("replicas", 0) <= group["maxReplicas"]:
            yield "minReplicas <= replicas <= maxReplicas must hold"
    if cluster.get("enableInTreeAutoscaling"):
        yield from _of_autoscaler(cluster)


def _of_autoscaler(cluster):
    options = cluster.get("autoscalerOptions", {})
    head, workers = cluster["headGroupSpec"], cluster.get("workerGroupSpecs", [])
    names = {
        variable["name"]
        for container in head["template"]["spec"].get("containers", [])
        for variable in container.get("env", [])
    }
    if "version" in options and "RAY_enable_autoscaler_v2" in names:
        yield "the autoscaler's version is said once"
    if options.get("version", "v2") != "v2":
        return
    for group in [head, *workers]:
        if group["template"]["spec"].get("restartPolicy", "Never") != "Never":
            yield "with autoscaler v2 restartPolicy is Never"
        if group.get("suspend"):
            yield "a group of an autoscaled cluster cannot be suspended"
