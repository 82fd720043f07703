from __future__ import annotations

import shutil
from collections.abc import Hashable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose, Transform
from torch import nn

from monai_tbkd.engines import kept_images, training_settings
from monai_tbkd.engines.preparation import fit_reduction, fit_target, has_tb, prepare_student
from monai_tbkd.networks import ActivationMapNet, LogSumExpMapPool, SymmetricMapNet
from monai_tbkd.transforms import AddLungPriord, CenterMapd, CloseByLabeld, FrozenFeaturesd, SmoothMapd
from monai_tbkd.transforms.student_target import TEACHER_MAP


class Read(Transform):
    """An image from a file of 48 x 48 bytes; counts its reads."""

    def __init__(self) -> None:
        self.overrides: list[str] = []  # what a transform notes on the way is no setting

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        self.overrides.append(Path(data["image"]).name)
        return {"image": torch.from_numpy(np.fromfile(data["image"], dtype=np.uint8)).reshape(1, 48, 48)}


@pytest.fixture
def items(tmp_path: Path) -> list[dict[str, Any]]:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(10):
        path = folder / f"{seed}.raw"
        np.random.default_rng(seed).integers(0, 256, 48 * 48, dtype=np.uint8).tofile(path)
    return [{"image": str(folder / f"{i}.raw"), "name": str(i), "label": i % 2} for i in range(10)]


def net(**options: Any) -> SymmetricMapNet:
    torch.manual_seed(0)
    return SymmetricMapNet("resnet18", **{"components": 5, "hidden": 4, "width": 0.125, "weights": "random", **options})


def splits(items: list[dict[str, Any]], train: int, select: int) -> dict[str, list[dict[str, Any]]]:
    return {"train": items[:train], "select": items[train : train + select], "test": items[train + select :]}


def reduction(network: nn.Module) -> torch.Tensor:
    return torch.cat([network.reduce.weight.flatten(), network.reduce.bias])  # type: ignore[union-attr, arg-type]


# ---------------------------------------------------------------- components


def test_components_are_kept_and_shared_by_folds_and_seeds(items: list[dict[str, Any]], tmp_path: Path) -> None:
    first, reads = net(), Read()
    before = reduction(first).clone()
    assert fit_reduction(first.train(), splits(items, 6, 2), reads, tmp_path / "kept", folds=5) is first
    assert not first.training and not torch.equal(reduction(first), before)
    assert sorted(reads.overrides) == sorted(Path(item["image"]).name for item in items)
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name.startswith("components-")
    # another fold, in another folder, under another seed and with another head
    moved = [{**item, "image": shutil.copy(item["image"], tmp_path / item["name"])} for item in items[::-1]]
    other, reads = net(convolutions=0), Read()
    fit_reduction(other, splits(moved, 5, 3), reads, tmp_path / "kept", folds=5)
    assert reads.overrides == []
    assert torch.equal(reduction(other), reduction(first))
    fit_reduction(net(output_stride=8), splits(items, 6, 2), reads, tmp_path / "kept", folds=5)
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_what_is_fitted_is_the_same_whatever_was_drawn_before(items: list[dict[str, Any]]) -> None:
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        network = net()
        torch.rand(seed)
        found.append(reduction(fit_reduction(network, splits(items, 6, 2), Read())))
    assert torch.equal(*found)


def test_reported_images_take_no_part_without_folds(items: list[dict[str, Any]]) -> None:
    reads = Read()
    fit_reduction(net(), splits(items, 6, 2), reads)
    assert sorted(reads.overrides) == [f"{i}.raw" for i in range(8)]


def test_a_sample_is_drawn_by_content(items: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_tbkd.engines.preparation._IMAGES", 3)
    first, again = Read(), Read()
    fit_reduction(net(), splits(items, 6, 4), first)
    fit_reduction(net(), splits(items[::-1], 6, 4), again)
    assert len(first.overrides) == 3 and first.overrides == again.overrides
    assert first.overrides != ["0.raw", "1.raw", "2.raw"]


def test_components_are_uncorrelated_on_the_images(items: list[dict[str, Any]]) -> None:
    network = fit_reduction(net(), splits(items, 10, 0), Read())
    features = FrozenFeaturesd(network)
    found = torch.cat([features(Read()(item))["image"][:5].float().flatten(1) for item in items], dim=1)
    covariance = torch.cov(found)
    assert covariance.fill_diagonal_(0).abs().max() < 0.1 * found.var()


@pytest.mark.parametrize("damage", [b"", b"no tensors"])
def test_damaged_components_are_made_anew(
    items: list[dict[str, Any]], tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first = reduction(fit_reduction(net(), splits(items, 6, 2), Read(), tmp_path / "kept"))
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_bytes(damage)
    for warned in (True, False):
        caplog.clear()
        again = fit_reduction(net(), splits(items, 6, 2), Read(), tmp_path / "kept")
        assert torch.equal(reduction(again), first)
        assert ("is damaged" in caplog.text) is warned


def test_a_backbone_at_random_is_refused_and_networks_that_are_trained_whole_need_nothing() -> None:
    for none in (None, ""):
        with pytest.raises(ValueError, match=r"weights is null.*--weights PATH.*configs/demo.yaml"):
            fit_reduction(net(weights=none), {}, Read())
    other = ActivationMapNet("resnet18", 1, width=0.125).train()
    assert fit_reduction(other, {}, Read()) is other and other.training
    with pytest.raises(ValueError, match="ActivationMapNet has none"):
        training_settings({"components": "teacher.pt"}, {"train": []}, LogSumExpMapPool(2.0), other)


# ---------------------------------------------------------------- kept images


@pytest.mark.parametrize("cache_rate", [0.0, 0.5, 1.0])
def test_images_are_read_once_and_kept(items: list[dict[str, Any]], tmp_path: Path, cache_rate: float) -> None:
    twice = [*items, {**items[0], "name": "again", "label": 7}]
    reads = Read()
    images = kept_images(twice, reads, tmp_path / "kept", cache_rate)
    assert len(images) == 11
    for _ in range(2):
        assert [images[i]["label"] for i in range(11)] == [item["label"] for item in twice]
    assert sorted(reads.overrides) == sorted(f"{i}.raw" for i in range(10))
    assert torch.equal(images[0]["image"], images[10]["image"])
    assert not torch.equal(images[0]["image"], images[1]["image"])
    again = Read()
    assert torch.equal(kept_images(items, again, tmp_path / "kept", cache_rate)[3]["image"], images[3]["image"])
    assert again.overrides == []


def test_without_a_folder_images_are_kept_in_memory_alone(items: list[dict[str, Any]], tmp_path: Path) -> None:
    reads = Read()
    images = kept_images(items, reads, None, 1.0)
    assert [images[i]["name"] for i in range(10)] == [images[i]["name"] for i in range(10)]
    assert sorted(reads.overrides) == sorted(f"{i}.raw" for i in range(10))


# ---------------------------------------------------------------- the student's target


class Says(nn.Module):
    """A teacher whose map is the image."""

    looked = 0

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.looked += len(image)
        return image


def of(values: list[list[float]], labels: list[Any], **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "image": torch.tensor(v).reshape(1, 1, -1),
            "label": label,
            "name": str(i),
            **{k: m[i] for k, m in more.items()},
        }
        for i, (v, label) in enumerate(zip(values, labels))
    ]


VALUES = [[0.0, 1.0, 2.0, 3.0], [90.0, 90.0, 90.0, 90.0], [4.0, 5.0, 6.0, 7.0]]


@pytest.mark.parametrize("batch_size", [1, 32])
def test_the_threshold_is_of_images_with_tb(batch_size: int) -> None:
    images, target, teacher = of(VALUES, [1, 0, 1]), CenterMapd(area=0.5, sharpness=1.0), Says().train()
    fit_target(Compose([target]), teacher, images, batch_size=batch_size)
    assert target.threshold == 4.0  # the fourth highest of eight cells
    assert teacher.looked == 2 and not teacher.training
    fit_target(target, Says(), images, to_network=lambda image: 2 * image)
    assert target.threshold == 8.0


def test_places_of_crops_and_the_steps_before_count() -> None:
    half = torch.tensor([0.0, 0.25, 1.0, 0.75])
    images, target = of(VALUES, [1, 0, 1], lung_crop=[half] * 3), CenterMapd(area=0.25)
    fit_target(target, Says(), images)
    assert target.threshold == 4.0  # half of the crops is a quarter of the images
    field = torch.zeros(1, 4, 16, dtype=torch.uint8)
    images = of(VALUES, [1, 0, 1], lung_field=[field] * 3)
    target = CenterMapd(area=0.5)
    fit_target(Compose([SmoothMapd(0.0), AddLungPriord(2.0, least=0.5), target]), Says(), images)
    assert target.threshold == pytest.approx(4.0)  # a prior of a half adds nothing
    fit_target(Compose([SmoothMapd(0.0), AddLungPriord(2.0, least=0.2), target]), Says(), images)
    assert target.threshold == pytest.approx(4.0 - 2 * np.log(4))


def test_labels_of_halves_and_of_three_classes() -> None:
    halves = of(VALUES, [np.array([0, 1]), np.array([0, 0]), np.array([1, 1])])
    target = CenterMapd(area=0.25)
    fit_target(Compose([CloseByLabeld(), target]), Says(), halves)
    assert target.threshold == 6.0
    assert [has_tb(label) for label in (0, 1, np.array([0, 1]), np.array([0, 0]))] == [False, True, True, False]
    assert [has_tb(label, 3) for label in (0, 1, 2)] == [False, False, True]


def test_boxes_take_no_part() -> None:
    class NoBoxes(dict):  # type: ignore[type-arg]
        def __getitem__(self, key: str) -> Any:
            assert "box" not in key
            return super().__getitem__(key)

    images = [NoBoxes(each, boxes=[[0, 0, 1, 1]], box_mask=torch.ones(1, 4, 4)) for each in of(VALUES, [1, 0, 1])]
    target = CenterMapd(area=0.5)
    fit_target(target, Says(), images)
    assert target.threshold == 4.0


def test_nothing_to_fit_and_nothing_to_fit_on() -> None:
    teacher = Says()
    fit_target(Compose([SmoothMapd(), CloseByLabeld()]), teacher, of(VALUES, [1, 0, 1]))
    assert teacher.looked == 0
    with pytest.raises(ValueError, match="no training image with TB"):
        fit_target(CenterMapd(), Says(), of(VALUES, [0, 0, 0]))


def test_a_student_is_prepared_and_other_stages_need_nothing() -> None:
    class Teacher(Says):
        def load(self) -> str:
            return "a1b2"

    images, settings = of(VALUES, [1, 0, 1]), {"seed": 0}
    more = {"to_network": None, "state": SimpleNamespace(device=torch.device("cpu"))}
    prepare_student(SimpleNamespace(teacher=None, target=CenterMapd(), **more), images, settings)
    assert settings == {"seed": 0}
    target = CenterMapd(area=0.5)
    prepare_student(SimpleNamespace(teacher=Teacher(), target=target, **more), images, settings)
    assert settings == {"seed": 0, "teacher_sha256": "a1b2"}
    assert target.threshold == 4.0 and target({TEACHER_MAP: torch.full((1, 1, 1, 1), 4.5)})[TEACHER_MAP].item() == 1.0
    prepare_student(SimpleNamespace(teacher=Teacher(), target=None, **more), images, settings)
