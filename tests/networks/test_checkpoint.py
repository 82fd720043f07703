from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from monai_tbkd.networks import ActivationMapNet
from monai_tbkd.networks.checkpoint import load_finished, read_record, write_checkpoint


@pytest.fixture
def net() -> ActivationMapNet:
    return ActivationMapNet("resnet18", num_classes=1, width=0.125)


def test_round_trip(net: ActivationMapNet, tmp_path: Path) -> None:
    write_checkpoint(net, tmp_path / "models" / "teacher.pt", {"epochs": 3})
    record = read_record(tmp_path / "models" / "teacher.pt")
    assert record is not None
    assert record["epochs"] == 3
    other = ActivationMapNet("resnet18", num_classes=1, width=0.125)
    load_finished(other, tmp_path / "models" / "teacher.pt", "teacher")
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), other.state_dict().values()))
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["teacher.json", "teacher.pt"]


def test_a_record_of_version_01_has_the_names_of_today(net: ActivationMapNet, tmp_path: Path) -> None:
    write_checkpoint(net, tmp_path / "a.pt", {"films": {"other": 3}, "settings": {"film_size": 512, "train_films": 3}})
    record = read_record(tmp_path / "a.pt")
    assert record is not None
    assert record["images"] == {"other": 3}
    assert record["settings"] == {"whole_image_size": 512, "train_images": 3}


def test_weights_without_their_record_are_not_finished(net: ActivationMapNet, tmp_path: Path) -> None:
    path = tmp_path / "teacher.pt"
    torch.save(net.state_dict(), path)
    assert read_record(path) is None
    with pytest.raises(FileNotFoundError, match="--stage teacher"):
        load_finished(net, path, "teacher")


def test_record_of_other_weights_is_not_taken(net: ActivationMapNet, tmp_path: Path) -> None:
    path = tmp_path / "teacher.pt"
    write_checkpoint(net, path, {"epochs": 1})
    net.head.bias.data += 1
    torch.save(net.state_dict(), path)  # as a run that was killed between the two files would leave it
    assert read_record(path) is None
    path.with_suffix(".json").write_text("{")
    assert read_record(path) is None


def test_other_architecture_with_equal_shapes_is_refused(net: ActivationMapNet, tmp_path: Path) -> None:
    path = tmp_path / "teacher.pt"
    write_checkpoint(net, path, {"epochs": 1})
    other = ActivationMapNet("resnet18", num_classes=1, width=0.125, output_stride=8)
    with pytest.raises(ValueError, match=r"output_stride 32 \(here 8\)"):
        load_finished(other, path, "teacher")
    assert json.loads(path.with_suffix(".json").read_text())["architecture"]["output_stride"] == 32
