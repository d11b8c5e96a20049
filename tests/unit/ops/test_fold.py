"""Batch norms folded into convolutions."""

import torch
from torch import nn

from reenact.ops.fold import fold_batch_norms


def test_folding_keeps_the_function_and_the_original() -> None:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.SiLU())
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.SiLU(), inner)
    for value in network.buffers():
        if value.is_floating_point():
            value += torch.rand_like(value)
    folded = fold_batch_norms(network)
    x = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(folded(x), network.eval()(x))
    assert not [part for part in folded.modules() if isinstance(part, nn.BatchNorm2d)]
    assert sum(isinstance(part, nn.BatchNorm2d) for part in network.modules()) == 2
