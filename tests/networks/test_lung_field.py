from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from monai_tbkd.data.lists.content_store import fingerprint
from monai_tbkd.networks import LungFieldNet


class Bright(nn.Module):
    """Lungs are where the standardized image is bright; a second channel that is not to be taken."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([(x > 0).float(), torch.ones_like(x)], dim=1)


def layer(kind: str, name: str, *inputs: str, **sizes: int) -> dict[str, Any]:
    return {"class": kind, "name": name, "in": list(inputs), **sizes}


GRAPH = [
    layer("InputLayer", "input"),
    layer("Conv2D", "conv", "input", cin=1, cout=1, k=3),
    layer("BatchNormalization", "norm", "conv", cin=1),
    layer("LeakyReLU", "leaky", "norm"),
    layer("Add", "sum", "leaky", "input"),
    layer("MaxPooling2D", "pool", "sum"),
    layer("Conv2DTranspose", "up", "pool", cin=1, cout=1, k=2, s=2),
]


def weights() -> dict[str, torch.Tensor]:
    center = torch.zeros(1, 1, 3, 3)
    center[..., 1, 1] = 1.0
    return {
        "m.conv.weight": center, "m.conv.bias": torch.zeros(1), "m.norm.weight": torch.ones(1),
        "m.norm.bias": torch.zeros(1), "m.norm.running_mean": torch.zeros(1),
        "m.norm.running_var": torch.full((1,), 1 - 1.0e-3), "m.up.weight": torch.ones(1, 1, 2, 2),
        "m.up.bias": torch.zeros(1),
    }  # fmt: skip


def halves() -> torch.Tensor:
    image = torch.zeros(2, 1, 40, 60)
    image[0, :, :, :30] = 200.0
    image[1, :, 20:] = 90.0
    return image


def test_torchscript_finds_the_bright_half_whatever_the_exposure(tmp_path: Path) -> None:
    torch.jit.script(Bright()).save(str(tmp_path / "lungs.pt"))
    net = LungFieldNet(tmp_path / "lungs.pt")
    lungs = net(halves())
    assert lungs.shape == (2, 1, 40, 60)
    assert float(lungs.min()) >= 0
    assert float(lungs.max()) <= 1
    torch.testing.assert_close(lungs[0, 0, :, :28], torch.ones(40, 28))
    torch.testing.assert_close(lungs[0, 0, :, 32:], torch.zeros(40, 28))
    torch.testing.assert_close(lungs[1, 0, 22:], torch.ones(18, 60))
    torch.testing.assert_close(net(halves() * 3 + 7), lungs)


def test_graph_by_hand_and_moved(tmp_path: Path) -> None:
    torch.save({"graph": GRAPH, "state_dict": weights()}, tmp_path / "lungs.pt")
    net = LungFieldNet(tmp_path / "lungs.pt").to("cpu")  # once broken by a method named as torch's own
    image = torch.zeros(1, 1, 400, 400)
    image[..., :200] = 30.0
    lungs = net(image)
    # an even picture of two levels: half of it dark at a fraction of 0.5, half bright at 1, so -1 and 1; the sum with
    # itself (or, below 0, with 0.3 of itself) through a sigmoid
    expected = torch.sigmoid(torch.tensor([2.0, -1.3]))
    torch.testing.assert_close(lungs[0, 0, 200, [50, 350]], expected, atol=1e-4, rtol=0)
    assert not any(p.requires_grad for p in net.parameters())
    assert not net.network.training


def test_same_padding_puts_the_odd_pixel_at_the_end(tmp_path: Path) -> None:
    graph = [layer("InputLayer", "input"), layer("Conv2D", "conv", "input", cin=1, cout=1, k=2)]
    weight = torch.zeros(1, 1, 2, 2)
    weight[..., 1, 1] = 1.0  # the pixel to the right and below, which is beyond the image at its end
    torch.save({"graph": graph, "state_dict": {"m.conv.weight": weight, "m.conv.bias": torch.zeros(1)}}, tmp_path / "g")
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    out = LungFieldNet(tmp_path / "g").network(x)
    assert out[0, 0].tolist() == [[4.0, 5.0, 0.0], [7.0, 8.0, 0.0], [0.0, 0.0, 0.0]]


def test_a_flat_image_is_no_error(tmp_path: Path) -> None:
    torch.jit.script(Bright()).save(str(tmp_path / "lungs.pt"))
    assert LungFieldNet(tmp_path / "lungs.pt")(torch.full((1, 1, 20, 20), 7.0)).isfinite().all()


def test_files_that_are_no_network(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no lung-field network .*none\.pt"):
        LungFieldNet(tmp_path / "none.pt")
    (tmp_path / "garbage.pt").write_bytes(b"not a network at all" * 20)
    with pytest.raises(ValueError, match=r"garbage\.pt is neither TorchScript nor a graph"):
        LungFieldNet(tmp_path / "garbage.pt")
    (tmp_path / "empty.pt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty\.pt is neither"):
        LungFieldNet(tmp_path / "empty.pt")
    torch.save({"state_dict": weights()}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"weights\.pt holds no graph"):
        LungFieldNet(tmp_path / "weights.pt")


def test_graphs_that_cannot_be_run(tmp_path: Path) -> None:
    path = tmp_path / "lungs.pt"
    torch.save({"graph": [*GRAPH, layer("Dense", "dense", "up")], "state_dict": weights()}, path)
    with pytest.raises(ValueError, match="layers of kind Dense; known are"):
        LungFieldNet(path)
    lacking = {key: value for key, value in weights().items() if key != "m.up.bias"}
    torch.save({"graph": GRAPH, "state_dict": lacking}, path)
    with pytest.raises(ValueError, match="do not fit the graph"):
        LungFieldNet(path)
    torch.save({"graph": GRAPH, "state_dict": {**weights(), "m.conv.weight": torch.zeros(1, 1, 5, 5)}}, path)
    with pytest.raises(ValueError, match="do not fit the graph"):
        LungFieldNet(path)


def test_weights_that_no_state_dict_shows_count_in_the_name_of_kept_features(tmp_path: Path) -> None:
    class Scaled(nn.Module):
        def __init__(self, scale: float) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(scale))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.scale * x

    found = []
    for name, scale in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        torch.jit.freeze(torch.jit.script(Scaled(scale).eval())).save(str(tmp_path / f"{name}.pt"))
        found.append(LungFieldNet(tmp_path / f"{name}.pt"))
    assert not any(net.state_dict() for net in found)
    assert fingerprint(found[0]) != fingerprint(found[2])
    assert fingerprint(found[0]) == fingerprint(LungFieldNet(tmp_path / "a.pt"))
