import json

import pytest
import torch

from models import FAMILIES, Architecture, build, load_network, save_network


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stored_network_gives_the_same_logits(family, tmp_path):
    synapses = None if FAMILIES[family].synapses == "all" else 4
    architecture = Architecture(family=family, dendrites=2, somata=9, synapses=synapses)
    network = build(architecture, (2, 5, 5), 3, [4, 8])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    save_network(network, tmp_path)
    loaded = load_network(tmp_path)
    images = torch.rand(6, 2, 5, 5)
    assert torch.equal(loaded(images), network(images))
    assert loaded.architecture == architecture
    assert loaded.seeds == (4, 8)


def test_the_stored_wiring_is_used_not_a_new_draw(tmp_path):
    architecture = Architecture(family="dann-r", dendrites=2, somata=9, synapses=4)
    network = build(architecture, (1, 5, 5), 3, [0])
    network.hidden[0].table_rows.copy_(network.hidden[0].table_rows.flip(0))
    save_network(network, tmp_path)
    assert torch.equal(load_network(tmp_path).hidden[0].table_rows, network.hidden[0].table_rows)


def test_another_layout_is_refused(tmp_path):
    architecture = Architecture(family="vann", dendrites=1, somata=2)
    save_network(build(architecture, (1, 2, 2), 2, [0]), tmp_path)
    description = tmp_path / "network.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"layout": 99}))
    with pytest.raises(ValueError, match="`layout == 1` must hold, got 99"):
        load_network(tmp_path)
