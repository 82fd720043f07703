from __future__ import annotations

import torch

from monai_tbkd.networks import ActivationMapNet, hold_batch_statistics


def test_statistics_stay_while_weights_learn() -> None:
    net = ActivationMapNet("resnet18", num_classes=1, width=0.125, last_stage="layer2", output_stride=8)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    handle = hold_batch_statistics(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    for _ in range(2):
        net.train()
        net(torch.rand(2, 3, 32, 32)).sum().backward()
        optimizer.step()
    after = net.state_dict()
    held = [k for k in before if "running" in k or "num_batches" in k]
    assert held and all(torch.equal(before[k], after[k]) for k in held)
    assert not torch.equal(before["backbone.bn1.weight"], after["backbone.bn1.weight"])
    handle.remove()
    net.train()
    net(torch.rand(2, 3, 32, 32))
    assert not torch.equal(before["backbone.bn1.running_mean"], net.state_dict()["backbone.bn1.running_mean"])
