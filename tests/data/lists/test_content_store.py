from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose, LoadImaged, RandFlipd, Transform

from monai_tbkd.data import ContentStore, CXRReader
from monai_tbkd.data.files.paths import content_sha256
from monai_tbkd.data.lists.content_store import fingerprint
from monai_tbkd.networks import ActivationMapNet, SymmetricMapNet
from monai_tbkd.transforms import CropToLungsd, FrozenFeaturesd, ResizeImaged


class Measured(Transform):
    """Bytes of a file, times a factor; counts how often it looks."""

    def __init__(self, factor: int = 1) -> None:
        self.factor = factor
        self.overrides = {"looked": 0}  # what a transform notes on the way is no setting

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        self.overrides["looked"] += 1
        return {**data, "image": torch.tensor([self.factor * len(Path(data["image"]).read_bytes())])}

    @property
    def looked(self) -> int:
        return self.overrides["looked"]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "a" / "one.png"
    path.parent.mkdir()
    path.write_bytes(b"12345")
    return path


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_same_content_elsewhere_is_not_computed_again(image: Path, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copy(image, tmp_path / "another name.png"))
    first, second = Measured(), Measured()
    assert ContentStore([{"image": str(image)}], first, tmp_path / "kept")[0]["image"] == 5
    store = ContentStore([{"image": str(elsewhere)}], second, tmp_path / "kept")
    assert store.missing() == []
    assert store[0]["image"] == 5
    assert (first.looked, second.looked) == (1, 0)
    assert len(files(tmp_path / "kept")) == 1


def test_a_changed_image_is_computed_again(image: Path, tmp_path: Path) -> None:
    store = ContentStore([{"image": str(image)}], Measured(), tmp_path / "kept")
    assert store[0]["image"] == 5
    image.write_bytes(b"123456789")
    assert store.missing() == [0]
    assert store[0]["image"] == 9
    before = image.stat()
    image.write_bytes(b"abcdefghi")  # as long, and at once
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert store.missing() == [0]


def test_labels_are_the_items_and_never_kept(image: Path, tmp_path: Path) -> None:
    for label, boxes in ((0, []), (1, [[1, 2, 3, 4]]), (np.array([0, 1]), None)):
        item = {"image": str(image), "label": label, "boxes": boxes, "name": "confidential"}
        for _ in range(2):  # made, and read
            found = ContentStore([item], Measured(), tmp_path / "kept")[0]
            assert found["label"] is label and found["boxes"] is boxes and found["name"] == "confidential"
    (file,) = (tmp_path / "kept").iterdir()
    assert set(torch.load(file, weights_only=True)) == {"image"}
    assert b"confidential" not in file.read_bytes() and str(image).encode() not in file.read_bytes()


def test_missing_names_each_content_once(image: Path, tmp_path: Path) -> None:
    copy, other = Path(shutil.copy(image, tmp_path / "copy.png")), tmp_path / "other.png"
    other.write_bytes(b"1")
    items = [{"image": str(path)} for path in (image, copy, other)]
    store = ContentStore(items, Measured(), tmp_path / "kept")
    assert store.missing() == [0, 2]
    assert [int(store[i]["image"]) for i in (0, 1, 2)] == [5, 5, 1]
    assert store.missing() == []
    without = ContentStore(items, Measured(), None)
    assert without.missing() == []
    assert without[2]["image"] == 1


def test_other_settings_have_another_file(image: Path, tmp_path: Path) -> None:
    for factor in (1, 2):
        assert ContentStore([{"image": str(image)}], [Measured(factor)], tmp_path / "kept")[0]["image"] == 5 * factor
    assert len(files(tmp_path / "kept")) == 2


@pytest.mark.parametrize(
    "damage",
    [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b[:-1], lambda b: b"no tensor" * 50, lambda b: bytes(len(b))],
    ids=["empty", "half", "a byte less", "text", "zeros"],
)
@pytest.mark.filterwarnings("ignore:Corrupt cache file")
def test_a_damaged_file_is_made_anew(image: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    store = ContentStore([{"image": str(image), "label": 1}], Measured(), tmp_path / "kept")
    assert store[0]["image"] == 5
    (file,) = (tmp_path / "kept").iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert store[0] == {"image": torch.tensor([5]), "label": 1}
    assert torch.load(file, weights_only=True) == {"image": torch.tensor([5])}


@pytest.mark.parametrize("kept", ["kept", None])
def test_an_error_of_a_transform_is_no_damaged_file(image: Path, tmp_path: Path, kept: str | None) -> None:
    class Fails(Transform):
        looked = 0

        def __call__(self, data: Any) -> Any:
            Fails.looked += 1
            raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="applying transform"):
        ContentStore([{"image": str(image)}], Fails(), kept and tmp_path / kept)[0]
    assert Fails.looked == 1
    assert kept is None or files(tmp_path / kept) == []


def test_a_random_transform_is_refused(tmp_path: Path) -> None:
    inner = Compose([Measured(), Compose([RandFlipd(keys="image")])])
    with pytest.raises(ValueError, match="RandFlipd may change an image each time"):
        ContentStore([], inner, tmp_path)


# ---------------------------------------------------------------- what the name of a file depends on


def network(**options: Any) -> SymmetricMapNet:
    torch.manual_seed(options.pop("seed", 0))
    net = SymmetricMapNet(**{"backbone": "resnet18", "components": 6, "width": 0.125, **options})
    net.fit_components(torch.randn(50, net.reduce.in_channels, generator=torch.Generator().manual_seed(1)))
    return net


def test_features_are_shared_by_heads_and_seeds_and_by_nothing_else() -> None:
    net = network()
    own = fingerprint(FrozenFeaturesd(net))
    other_head = network(hidden=9, convolutions=0, num_classes=3, dropout=0.0)
    other_head.backbone.load_state_dict(net.backbone.state_dict())
    torch.nn.init.ones_(net.head.last.weight)
    assert fingerprint(FrozenFeaturesd(net)) == fingerprint(FrozenFeaturesd(other_head)) == own
    differing = [
        network(seed=1),  # other weights
        network(components=5),
        network(output_stride=8),  # has the same weights
        network(width=0.25),
        network(backbone="efficientnet_lite0", width=1.0),
    ]
    assert len({own, *(fingerprint(FrozenFeaturesd(each)) for each in differing)}) == 6
    with torch.no_grad():
        net.reduce.bias.add_(1)
    assert fingerprint(FrozenFeaturesd(net)) != own


def test_strides_without_weights_of_their_own_count() -> None:
    first, second = (ActivationMapNet("resnet50", width=0.125, stride_in_1x1=at) for at in (True, False))
    second.load_state_dict(first.state_dict())
    assert fingerprint(first.backbone) != fingerprint(second.backbone)
    second = ActivationMapNet("resnet50", width=0.125, stride_in_1x1=True)
    second.load_state_dict(first.state_dict())
    assert fingerprint(first.eval().backbone) == fingerprint(second.train().backbone)


def preprocessing(side: int = 64, min_age: int = 15, shade: float = 0.5) -> Compose:
    return Compose([
        LoadImaged(keys="image", reader=CXRReader, ensure_channel_first=True, min_age=min_age),
        ResizeImaged(keys="image", size=(side, side)),
        CropToLungsd((side, side), lung_field=lambda image: image * shade),
    ])  # fmt: skip


def test_settings_of_each_step_count() -> None:
    own = fingerprint(preprocessing())
    assert fingerprint(preprocessing()) == own
    others = [preprocessing(side=32), preprocessing(min_age=0), preprocessing(shade=0.6)]
    assert len({own, *map(fingerprint, others)}) == 4
    assert fingerprint(Compose(list(reversed(preprocessing().transforms)))) != own


def test_kinds_of_values_are_told_apart() -> None:
    values = [
        0, 0.0, "0", False, None, [0], [[0]], [0, 0], {"a": 0}, {"b": 0}, np.zeros(1), np.zeros(2), np.zeros((1, 1)),
        torch.zeros(1, dtype=torch.float32), torch.ones(1), dict, list, len, lambda x: x, lambda x: x + 1,
    ]  # fmt: skip
    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"a": 1, "b": 2})
    assert fingerprint({"x", "y"}) == fingerprint({"y", "x"})


def test_a_step_that_holds_itself_has_no_fingerprint() -> None:
    step = Measured()
    step.factor = step  # type: ignore[assignment]
    with pytest.raises(ValueError, match="holds itself"):
        fingerprint(step)


def test_sha256_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert content_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert json.dumps(content_sha256(str(path)))  # a text
