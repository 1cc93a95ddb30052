import pytest
import torch
from architectures import architecture

from models import FAMILIES, build
from models.program import export_program


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("draw", ["constant", "global"])
def test_the_program_computes_what_the_network_does_for_any_batch_size(family, draw, tmp_path):
    wanted = architecture(
        family, synapse_draw=draw, cable_draw=draw, layers=2, dendrite_slope=0.0, dropout=0.5
    )
    network = build(wanted, (2, 5, 6), 3, [4, 8]).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    export_program(network, tmp_path / "program.pt2")
    program = torch.export.load(tmp_path / "program.pt2").module()
    for batch in (1, 2, 7, 64):
        images = torch.randint(0, 256, (batch, 2, 5, 6), dtype=torch.uint8)
        with torch.no_grad():
            expected = network(images).softmax(dim=-1).mean(dim=0)
            torch.testing.assert_close(program(images), expected, rtol=1e-4, atol=1e-5)
