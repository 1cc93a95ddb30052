"""A cloud as its owner sees it: switches machines on and off as they are ordered."""

import json
import os
import threading

from tests.support.cloud_provider import HEAD
from tests.support.processes import ROOT, wait_until


class Cloud:
    """Has a machine with one CPU for each order in a folder, and remembers those that there were.

    `made` has the names of all machines, `on` those that are on.
    """

    def __init__(self, folder):
        self._folder = folder
        folder.mkdir()
        self.made = []
        self.on = {}
        self._over = threading.Event()

    def head(self, most):
        """The options and settings of a head that orders at most so many machines here."""
        worker = {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": most}
        config = {
            "cluster_name": "growing",
            "max_workers": most,
            "idle_timeout_minutes": 0.1,
            "provider": {
                "type": "external",
                "module": "tests.support.cloud_provider.CloudProvider",
                "folder": str(self._folder),
                # A machine here starts Ray by itself, as images of clouds can.
                "disable_node_updaters": True,
            },
            "available_node_types": {
                HEAD: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
                "worker": worker,
            },
            "head_node_type": HEAD,
            # What Ray does not do without.
            "file_mounts": {},
            "cluster_synced_files": [],
            "initialization_commands": [],
            "setup_commands": [],
            "head_setup_commands": [],
            "worker_setup_commands": [],
            "head_start_ray_commands": [],
            "worker_start_ray_commands": [],
        }
        file = self._folder.with_suffix(".json")
        file.write_text(json.dumps(config))
        settings = {
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            # As `ray up` has it.
            "RAY_enable_autoscaler_v2": "1",
            "RAY_CLOUD_INSTANCE_ID": HEAD,
            "RAY_NODE_TYPE_NAME": HEAD,
        }
        return (f"--autoscaling-config={file}",), settings

    def serve(self, cluster):
        """Makes the machines, in a thread of its own, until `end`."""
        self._thread = threading.Thread(target=self._serve, args=(cluster,))
        self._thread.start()

    def wait_until_off(self):
        """Waits until no machine is on; Ray believes one gone somewhat before it is switched off."""
        wait_until(lambda: not self.on, "the end of all machines", every_s=0.5)

    def end(self):
        self._over.set()
        self._thread.join()

    def _serve(self, cluster):
        while not self._over.wait(0.5):
            orders = {file.stem for file in self._folder.glob("*.json")}
            for order in orders - self.on.keys():
                self.made.append(f"worker{len(self.made) + 1}")
                self.on[order] = self.made[-1]
                names = {"RAY_CLOUD_INSTANCE_ID": order, "RAY_NODE_TYPE_NAME": "worker"}
                cluster.start_worker(self.made[-1], **names)
            for order in self.on.keys() - orders:
                cluster.machine(self.on.pop(order)).kill()
