import json
import shutil

import pytest
import torch

from models import FAMILIES, build, load_network, save_network
from models.building import LARGEST_SEED
from models.portable import Portable
from tests.support.architectures import architecture


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("draw", ["constant", "global"])
def test_a_stored_network_gives_the_same_logits(family, draw, tmp_path):
    wanted = architecture(family, synapse_draw=draw, cable_draw=draw)
    network = build(wanted, (2, 5, 5), 3, [4, LARGEST_SEED])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    save_network(network, tmp_path)
    loaded = load_network(tmp_path)
    images = torch.rand(6, 2, 5, 5)
    assert torch.equal(loaded(images), network(images))
    assert loaded.architecture == wanted
    assert loaded.seeds == (4, LARGEST_SEED)


def test_the_stored_wiring_is_used_not_a_new_draw(tmp_path):
    network = build(architecture("dann-r"), (1, 5, 5), 3, [0])
    network.layers[0].columns.copy_(network.layers[0].columns.flip(0))
    save_network(network, tmp_path)
    assert torch.equal(load_network(tmp_path).layers[0].columns, network.layers[0].columns)


def test_another_layout_is_refused(tmp_path):
    save_network(build(architecture("vann"), (1, 2, 2), 2, [0]), tmp_path)
    description = tmp_path / "network.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"layout": 99}))
    with pytest.raises(ValueError, match=r"network.json .* `layout == 1` must hold, got 99"):
        load_network(tmp_path)


def test_what_is_missing_or_damaged_is_reported(tmp_path):
    save_network(build(architecture("dann-r"), (1, 5, 5), 2, [0]), tmp_path)
    tensors, description = tmp_path / "network.safetensors", tmp_path / "network.json"
    whole = tensors.read_bytes()
    for part in (0, 4, len(whole) // 2, len(whole) - 1):
        tensors.write_bytes(whole[:part])
        with pytest.raises(ValueError, match=r"network.safetensors does not hold the network: .+"):
            load_network(tmp_path)
    save_network(build(architecture("dann-r", somata=3), (1, 5, 5), 2, [0]), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "network.safetensors", tensors)
    with pytest.raises(ValueError, match=r"network.safetensors does not hold the network: .+"):
        load_network(tmp_path)
    tensors.unlink()
    with pytest.raises(FileNotFoundError):
        load_network(tmp_path)
    for text in ("", "[]", "{}", '{"layout": 1}'):
        description.write_text(text)
        with pytest.raises(ValueError, match=r"network.json does not describe a network: .+"):
            load_network(tmp_path)
    description.unlink()
    with pytest.raises(FileNotFoundError):
        load_network(tmp_path)


OF_NEITHER = [
    {"architecture": {"layers": 10**6}},
    {"seeds": list(range(10**5))},
    {"seeds": []},
    {"classes": 10**9},
    {"classes": "ten"},
    {"image_shape": [1, 10**6, 10**6]},
    {"image_shape": [1, 0, 5]},
    {"image_shape": [25]},
    {"layout": "1" * 10**5},
]
OF_LOAD_NETWORK = [
    {"architecture": {"somata": 10**18 + 3}},
    {"architecture": {"somata": 10**9}},
    {"architecture": {"somata": "8"}},
    {"architecture": {"dendrites": 10**6}},
    {"seeds": [-1]},
]


@pytest.mark.parametrize(
    ("load", "change"),
    [(load, change) for load in (load_network, Portable) for change in OF_NEITHER]
    + [(load_network, change) for change in OF_LOAD_NETWORK],  # the other reads no sizes
)
def test_a_description_of_another_network_is_refused_before_it_is_built(load, change, tmp_path):
    save_network(build(architecture("dann-r"), (1, 5, 5), 2, [0]), tmp_path)
    file = tmp_path / "network.json"
    table = json.loads(file.read_text())
    for name, value in change.items():
        table[name] = table[name] | value if isinstance(value, dict) else value
    file.write_text(json.dumps(table))
    with pytest.raises(
        ValueError, match=r"does not (describe a|hold the|hold a) network: .+"
    ) as caught:
        load(tmp_path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("load", [load_network, Portable])
def test_a_description_that_is_nested_deeply_is_refused(load, tmp_path):
    save_network(build(architecture("dann-r"), (1, 5, 5), 2, [0]), tmp_path)
    (tmp_path / "network.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="does not"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [("columns", 0, 25), ("columns", 3, -1), ("offsets", 1, 10**6), ("offsets", 0, 1)],
)
def test_wiring_that_leads_out_of_the_network_is_refused(name, place, value, tmp_path):
    network = build(architecture("dann-r"), (1, 5, 5), 2, [0])
    getattr(network.layers[0], name)[place] = value
    save_network(network, tmp_path)
    with pytest.raises(ValueError, match="does not hold the network"):
        load_network(tmp_path)
