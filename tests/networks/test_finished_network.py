from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from monai_tbkd.networks import ActivationMapNet, AverageMapPool, LogSumExpMapPool, SymmetricMapNet
from monai_tbkd.networks.checkpoint import write_checkpoint
from monai_tbkd.networks.finished_network import describe_module, finished_network, hash_of_file, load_trained

IMAGE = torch.rand(1, 3, 64, 64)


def student() -> ActivationMapNet:
    torch.manual_seed(0)
    return ActivationMapNet("resnet18", num_classes=1, width=0.125)


def symmetric(**options: int) -> SymmetricMapNet:
    torch.manual_seed(1)
    return SymmetricMapNet("resnet18", components=6, hidden=8, width=0.125, **options)  # type: ignore[arg-type]


def written(network: nn.Module, path: Path) -> nn.Module:
    write_checkpoint(network, path, {"epochs": 1})
    return network.eval()


@pytest.mark.parametrize(
    "teacher",
    [
        symmetric(convolutions=0),
        ActivationMapNet("resnet18", num_classes=1, width=0.25, output_stride=8, last_stage="layer3"),
    ],
    ids=["another kind", "another width, stride and last stage"],
)
def test_a_teacher_of_another_architecture_than_its_student(teacher: nn.Module, tmp_path: Path) -> None:
    written(teacher, tmp_path / "teacher.pt")
    like = student()
    before = copy.deepcopy(like.state_dict())
    found = finished_network(tmp_path / "teacher.pt", like, "teacher")
    assert type(found) is type(teacher)
    assert not found.training
    assert torch.equal(found(IMAGE), teacher(IMAGE))
    assert all(torch.equal(value, before[key]) for key, value in like.state_dict().items())


def test_a_network_of_the_same_architecture_is_a_copy_of_the_configs(tmp_path: Path) -> None:
    own = symmetric()
    written(own, tmp_path / "model.pt")
    like = symmetric()
    nn.init.zeros_(like.head.last.weight)
    found = finished_network(tmp_path / "model.pt", like, "student")
    assert found is not like
    assert not like.head.last.weight.any()
    assert torch.equal(found(IMAGE), own(IMAGE))


class Own(nn.Module):
    """A network of a user's config."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 1)
        self.architecture = {"network_class": "Own", "channels": channels}

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.conv(image)


def test_a_kind_that_is_not_known_has_to_be_the_configs(tmp_path: Path) -> None:
    own = written(Own(1), tmp_path / "model.pt")
    assert torch.equal(finished_network(tmp_path / "model.pt", Own(1), "student")(IMAGE), own(IMAGE))
    with pytest.raises(ValueError, match=r"another architecture: channels 1 \(here 2\)"):
        finished_network(tmp_path / "model.pt", Own(2), "student")
    with pytest.raises(ValueError, match="another architecture: network_class 'Own'"):
        finished_network(tmp_path / "model.pt", student(), "student")


def test_a_stage_that_has_not_finished(tmp_path: Path) -> None:
    torch.save(student().state_dict(), tmp_path / "teacher.pt")  # without a record
    for name in ("teacher.pt", "none.pt"):
        with pytest.raises(FileNotFoundError, match=r"no finished teacher .* --stage teacher"):
            finished_network(tmp_path / name, student(), "teacher")


@pytest.fixture
def net() -> ActivationMapNet:
    torch.manual_seed(0)
    return ActivationMapNet("resnet18", num_classes=1, width=0.125)


def test_inference_refuses_settings_under_which_scores_would_be_wrong(net: ActivationMapNet, tmp_path: Path) -> None:
    settings = {"image_size": 64, "pooling": "LogSumExpMapPool(r=2.0)"}
    write_checkpoint(net, tmp_path / "model.pt", {"epochs": 1, "settings": settings})
    load_trained(net, tmp_path / "model.pt", LogSumExpMapPool(2.0), 64)
    with pytest.raises(ValueError, match=r"image_size 64 \(here 128\).*AverageMapPool"):
        load_trained(net, tmp_path / "model.pt", AverageMapPool(), 128)
    (tmp_path / "model.json").unlink()  # a published model has no record
    load_trained(net, tmp_path / "model.pt", AverageMapPool(), 128)


def test_inference_refuses_another_preprocessing(net: ActivationMapNet, tmp_path: Path) -> None:
    (tmp_path / "lungs.pt").write_bytes(b"1")
    own = {"image_size": 64, "lung_crop": True, "whole_image_size": 512, "lung_weights": str(tmp_path / "lungs.pt")}
    pooling = LogSumExpMapPool(2.0)
    settings = {**own, "lung_weights_sha256": hash_of_file(own["lung_weights"]), "pooling": describe_module(pooling)}
    write_checkpoint(net, tmp_path / "model.pt", {"epochs": 1, "settings": settings})
    same = {key: own[key] for key in ("lung_crop", "whole_image_size", "lung_weights")}
    load_trained(net, tmp_path / "model.pt", pooling, 64, same)
    for key, value in (("lung_crop", False), ("whole_image_size", 256), ("lung_weights", None)):
        with pytest.raises(ValueError, match=key):
            load_trained(net, tmp_path / "model.pt", pooling, 64, {**same, key: value})
