from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_tbkd.networks import SymmetricMapNet
from monai_tbkd.networks.cell_positions import mean_with_mirror
from monai_tbkd.networks.symmetric_map_net import SymmetricMapHead, swap_mirror


def small(backbone: str = "resnet18", **options: int) -> SymmetricMapNet:
    torch.manual_seed(0)
    width = 0.125 if backbone == "resnet18" else 1.0
    return SymmetricMapNet(backbone, components=6, hidden=8, width=width, **options)  # type: ignore[arg-type]


def _firsts(channels: list[int]) -> list[int]:
    return [sum(channels[:i]) for i in range(len(channels))]


def images(size: tuple[int, int], number: int = 2) -> torch.Tensor:
    return torch.randn(number, 3, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("stride", "size", "cells"), [(16, (64, 80), (4, 5)), (16, (65, 70), (5, 5)), (8, (40, 33), (5, 5))]
)
def test_shape(stride: int, size: tuple[int, int], cells: tuple[int, int]) -> None:
    net = small(output_stride=stride, num_classes=2).eval()
    assert net(images(size)).shape == (2, 2, *cells)
    assert net.features(images(size)).shape == (2, 12, *cells)


@pytest.mark.parametrize("backbone", ["resnet18", "efficientnet_lite0"])
def test_an_image_whose_cells_lie_alike_from_both_sides_is_mirrored_exactly(backbone: str) -> None:
    net, image = small(backbone).eval(), images((33, 65))  # cells at 0, 16 ... 64: the last pixel
    torch.testing.assert_close(net(image.flip(-1)), net(image).flip(-1))
    torch.testing.assert_close(net.features(image.flip(-1)), swap_mirror(net.features(image)))


@pytest.mark.parametrize("width", [64, 65, 70, 80])
def test_any_width_is_mirrored_about_its_middle(width: int) -> None:
    # The mean by hand: the mirror image's cell k looks at pixel width - 1 - 16 k, and is read at pixels 0, 16 ...
    net, image = small().eval(), images((32, width), number=1)
    at = 16.0 * np.arange(-(-width // 16))
    own, other = (net.head(net.features(x))[0, 0].detach().double().numpy() for x in (image, image.flip(-1)))
    looks = (width - 1 - at)[::-1]
    turned = np.stack([np.interp(at, looks, row[::-1]) for row in other])
    np.testing.assert_allclose(net(image)[0, 0].detach().numpy(), (own + turned) / 2, atol=1e-5)


@pytest.mark.parametrize(("width", "stride"), [(64, 16), (65, 16), (70, 16), (80, 16), (40, 8)])
def test_position_stays_position(width: int, stride: int) -> None:
    cells = -(-width // stride)
    at = stride * torch.arange(cells, dtype=torch.float32)
    features = torch.stack([at, width - 1 - at])[None, :, None]  # pixel of the image that each cell looks at
    mean = mean_with_mirror(features[:, :1], swap_mirror(features)[:, :1], width, stride)[0, 0, 0]
    torch.testing.assert_close(mean[1:], at[1:])
    assert 0 <= float(mean[0]) < stride / 2  # beyond the mirror image's last cell that cell is repeated


@pytest.mark.parametrize(("stride", "channels"), [(16, [112, 320]), (8, [40, 112, 320])])
def test_stages_have_the_same_part_of_the_variance(stride: int, channels: list[int]) -> None:
    net = small("efficientnet_lite0", output_stride=stride)
    assert net.stage_channels == channels
    stages = torch.cat([torch.randn(600, number) * 10.0**i for i, number in enumerate(channels)], dim=1)
    found = []
    for i, part in enumerate(stages.split(channels, dim=1)):
        alone = torch.zeros_like(stages)  # one number of a stage moves in all cells, and nothing else does
        alone.split(channels, dim=1)[i][:, 0] = part[:, 0]
        found.append(alone)
    moved = sum(found)
    net = small("efficientnet_lite0", output_stride=stride)
    net.fit_components(moved)
    weights = [net.reduce.weight[:, each, 0, 0].norm() * moved[:, each].std() for each in _firsts(channels)]
    assert max(weights) / min(weights) == pytest.approx(1.0, abs=0.15)


def test_components_are_uncorrelated_and_have_no_mean() -> None:
    net = small()
    generator = torch.Generator().manual_seed(2)
    number = net.reduce.in_channels
    mixed = torch.randn(4000, number, generator=generator) @ torch.randn(number, number, generator=generator) + 3.0
    net.fit_components(mixed)
    out = net.reduce(mixed[:, :, None, None])[..., 0, 0].double()
    covariance = (out.T @ out / len(out)).numpy()
    assert abs(out.mean(dim=0)).max() < 1e-4
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-4)
    assert (np.diff(np.diag(covariance)) < 0).all()  # the first have more, whitened in part
    assert float(out.std()) == pytest.approx(1.0, abs=1e-4)


def test_cells_that_lie_in_few_directions() -> None:
    net = small()
    generator = torch.Generator().manual_seed(2)
    few = torch.randn(500, 5, generator=generator) @ torch.randn(5, net.reduce.in_channels, generator=generator)
    net.fit_components(few)
    assert net.reduce.weight.isfinite().all()
    with pytest.raises(ValueError, match="5 cells to fit 6 components"):
        net.fit_components(few[:5])


def test_backbone_is_frozen_and_only_the_head_learns() -> None:
    net = small().train()
    assert net.training
    assert net.head.training
    assert not any(module.training for module in net.backbone.modules())
    before = {key: value.clone() for key, value in net.state_dict().items()}
    net(images((32, 32))).square().sum().backward()
    learns = {name for name, value in net.named_parameters() if value.grad is not None}
    assert learns == {f"head.{name}" for name, _ in net.head.named_parameters()}
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_state_dict_round_trip() -> None:
    net = small().eval()
    net.fit_components(torch.randn(50, net.reduce.in_channels))
    torch.manual_seed(5)
    own = {key: value for key, value in net.architecture.items() if key != "network_class"}
    other = SymmetricMapNet(**own).eval()  # type: ignore[arg-type]
    image = images((48, 48))
    assert not torch.allclose(other(image), net(image))
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(other(image), net(image))


def test_without_convolutions_each_cell_is_judged_by_itself() -> None:
    features = torch.randn(1, 8, 5, 5, generator=torch.Generator().manual_seed(3))
    changed = features.clone()
    changed[..., 2, 2] += 1.0
    for convolutions, reach in ((0, 0), (1, 1), (2, 2)):
        torch.manual_seed(4)
        head = SymmetricMapHead(4, hidden=16, convolutions=convolutions).eval()
        rows, columns = torch.nonzero((head(features) != head(changed))[0, 0], as_tuple=True)
        assert int((rows - 2).abs().max()) == reach
        assert int((columns - 2).abs().max()) == reach


def test_bad_options() -> None:
    with pytest.raises(ValueError, match="output_stride is 32"):
        small(output_stride=32)
    with pytest.raises(ValueError, match="hidden 0"):
        SymmetricMapHead(4, hidden=0)


def test_head_without_mirror_is_blind_to_the_other_half() -> None:
    head = SymmetricMapHead(features=4, mirror=False).eval()
    features = torch.randn(1, 8, 3, 3)
    changed = features.clone()
    changed[:, 4:] += 1
    assert torch.equal(head(features), head(changed))
    both = SymmetricMapHead(features=4).eval()
    assert not torch.equal(both(features), both(changed))
