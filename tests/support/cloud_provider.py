"""A cloud as Ray's autoscaler sees it, in the head: files in a folder, each an order for a machine."""

import json
import uuid
from pathlib import Path

from ray.autoscaler.node_provider import NodeProvider
from ray.autoscaler.tags import NODE_KIND_HEAD, TAG_RAY_NODE_KIND, TAG_RAY_USER_NODE_TYPE

HEAD = "head"


class CloudProvider(NodeProvider):
    """Orders machines, and takes orders back; `cloud.Cloud` makes them, or takes them away."""

    def __init__(self, provider_config, cluster_name):
        super().__init__(provider_config, cluster_name)
        self._folder = Path(provider_config["folder"])

    def _orders(self):
        head = {TAG_RAY_NODE_KIND: NODE_KIND_HEAD, TAG_RAY_USER_NODE_TYPE: HEAD}
        files = self._folder.glob("*.json")
        return {HEAD: head} | {file.stem: json.loads(file.read_text()) for file in files}

    def non_terminated_nodes(self, tag_filters):
        wanted = tag_filters.items()
        return [node for node, tags in self._orders().items() if wanted <= tags.items()]

    def is_running(self, node_id):
        return node_id in self._orders()

    def is_terminated(self, node_id):
        return not self.is_running(node_id)

    def node_tags(self, node_id):
        return self._orders()[node_id]

    def external_ip(self, node_id):
        return node_id

    def internal_ip(self, node_id):
        return node_id

    def create_node_with_resources_and_labels(self, _node_config, tags, count, _resources, _labels):
        for _ in range(count):
            new = self._folder / f"{uuid.uuid4().hex}.new"
            new.write_text(json.dumps(tags))
            new.replace(new.with_suffix(".json"))

    def terminate_node(self, node_id):
        (self._folder / f"{node_id}.json").unlink(missing_ok=True)
