"""What Ray's own autoscaler makes of a cluster's configuration, without a cluster."""

from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil


def launches(cluster, resources, trials):
    """How many nodes of each type it launches while so many trials of these resources wait."""
    config = AutoscalingConfig(cluster, skip_content_hash=True)
    trial = ResourceRequestUtil.make(resources)
    reply = ResourceDemandScheduler(None).schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs=config.get_node_type_configs(),
            max_num_nodes=config.get_max_num_nodes(),
            idle_timeout_s=config.get_idle_timeout_s(),
            resource_requests=ResourceRequestUtil.group_by_count([trial] * trials),
        )
    )
    return {launch.instance_type: launch.count for launch in reply.to_launch}
