from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, decollate_batch, list_data_collate

from monai_tbkd.networks import (
    ActivationMapNet,
    FeatureMapNet,
    FrameMaskView,
    SymmetricMapNet,
    ViewedNet,
    trained_part,
)
from monai_tbkd.networks.symmetric_map_net import whole_network
from monai_tbkd.transforms import FrozenFeaturesd, NormalizeImage, RandMirrorFeaturesd
from monai_tbkd.transforms.frozen_features import PICTURE, small_picture


@pytest.fixture
def net() -> SymmetricMapNet:
    torch.manual_seed(0)
    net = SymmetricMapNet("resnet18", components=6, hidden=8, width=0.125, mirror=True)
    net.fit_components(torch.randn(60, net.reduce.in_channels, generator=torch.Generator().manual_seed(1)))
    return net


def image(height: int = 65, width: int = 65, seed: int = 2) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, height, width), generator=g, dtype=torch.uint8)


def features(net: SymmetricMapNet, each: torch.Tensor) -> torch.Tensor:
    return FrozenFeaturesd(net)({"image": each})["image"]


def test_an_image_becomes_its_features_and_a_small_picture(net: SymmetricMapNet) -> None:
    data = {"image": MetaTensor(image(65, 300)), "label": 1, "lung_field": torch.zeros(1, 2, 3)}
    found = FrozenFeaturesd(net)(data)
    assert found["image"].shape == (12, 5, 19) and found["image"].dtype == torch.float16
    assert not isinstance(found["image"], MetaTensor)
    assert found["label"] == 1 and found["lung_field"] is data["lung_field"]
    assert found[PICTURE].shape == (1, 65, 256) and found[PICTURE].dtype == torch.uint8
    assert data["image"].shape == (1, 65, 300)  # the item itself is left as it is


def test_features_of_a_mirror_image_are_the_features_with_the_halves_changed(net: SymmetricMapNet) -> None:
    own, mirrored = features(net, image()), features(net, image().flip(-1))
    assert not torch.equal(own, mirrored)
    mirror = RandMirrorFeaturesd(prob=1.0)
    assert torch.equal(mirror({"image": own})["image"], mirrored)
    assert torch.equal(mirror(mirror({"image": own}))["image"], own)


@pytest.mark.parametrize("size", [(65, 65), (64, 80), (70, 33)])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_map_of_kept_features_is_the_map_of_the_whole_network(
    net: SymmetricMapNet, size: tuple[int, int], bfloat16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_tbkd.transforms.frozen_features.has_bfloat16", lambda device: bfloat16)
    part = trained_part(net, keep_features=True, image_size=size[1]).eval()
    batch = [image(*size, seed=seed) for seed in (1, 2)]
    with torch.no_grad():
        kept = part(torch.stack([features(net, each) for each in batch]))
        whole = net.eval()(NormalizeImage()(torch.stack(batch)))
    assert whole.std() > 0
    within = 0.2 if bfloat16 else 2e-3  # of what differs between cells; features are kept in half precision
    assert (kept - whole).abs().max() < within * whole.std()


def test_training_sees_features_as_they_are_and_reaches_the_whole_networks_head(net: SymmetricMapNet) -> None:
    part = trained_part(net, keep_features=True, image_size=65)
    assert isinstance(part, FeatureMapNet)
    assert {name.split(".")[0] for name in part.state_dict()} == {"head"}
    kept = torch.stack([features(net, image())])
    net.head.dropout.p = 0.0
    part.train()
    torch.testing.assert_close(part(kept), net.head(kept.float()))
    assert not torch.allclose(part(kept), part.eval()(kept))  # the mean with the mirror image's
    before = net.eval()(NormalizeImage()(image()[None]))
    torch.optim.SGD(part.parameters(), lr=1.0).step(lambda: part(kept).sum().backward())
    assert not torch.allclose(net.eval()(NormalizeImage()(image()[None])), before)


def test_features_do_not_depend_on_what_else_is_computed(net: SymmetricMapNet) -> None:
    alone = features(net.train(), image(seed=3))  # in eval mode all the same
    net.head.requires_grad_(True)
    together = [features(net, image(seed=seed)) for seed in (4, 3)]
    assert torch.equal(together[1], alone) and not torch.equal(together[0], alone)
    again = pickle.loads(pickle.dumps(FrozenFeaturesd(net)))  # as a data loader's process gets it
    assert torch.equal(again({"image": image(seed=3)})["image"], alone)


# ---------------------------------------------------------------- the mirror


def item(**more: Any) -> dict[str, Any]:
    return {"image": torch.arange(8.0).reshape(4, 1, 2), **more}


def test_mirrored_with_its_lung_field_and_the_labels_of_its_halves() -> None:
    found = RandMirrorFeaturesd(prob=1.0)(item(label=np.array([1, 0]), lung_field=torch.tensor([[[0, 9]]])))
    assert found["image"].flatten().tolist() == [4, 5, 6, 7, 0, 1, 2, 3]
    assert found["label"].tolist() == [0, 1]
    assert found["lung_field"].tolist() == [[[9, 0]]]
    whole = RandMirrorFeaturesd(prob=1.0)(item(label=1))
    assert whole["label"] == 1 and set(whole) == {"image", "label"}
    batch = list_data_collate([found, found])
    assert batch["label"].tolist() == [[0, 1], [0, 1]] and len(decollate_batch(batch)) == 2


def test_how_often_and_by_which_seed() -> None:
    mirror = RandMirrorFeaturesd(prob=0.25).set_random_state(0)
    turned = [bool(mirror(item())["image"][0, 0, 0] == 4) for _ in range(400)]
    assert 70 < sum(turned) < 130
    again = RandMirrorFeaturesd(prob=0.25).set_random_state(0)
    assert [bool(again(item())["image"][0, 0, 0] == 4) for _ in range(400)] == turned
    untouched = item(label=np.array([1, 0]))
    assert RandMirrorFeaturesd(prob=0.0)(untouched) == untouched


def test_a_picture_is_the_image_at_most_256_pixels_a_side() -> None:
    assert torch.equal(small_picture(image(20, 30)), image(20, 30))
    blocks = torch.tensor([[[10, 20]]], dtype=torch.uint8).repeat_interleave(256, -1)
    assert small_picture(blocks)[0, 0].tolist() == [10] * 128 + [20] * 128


# ---------------------------------------------------------------- what is trained


def test_what_is_trained_of_a_network(net: SymmetricMapNet) -> None:
    other, view = ActivationMapNet("resnet18", 1, width=0.125), FrameMaskView(0.1)
    assert trained_part(other, False, 64) is other
    viewed = trained_part(other, False, 64, view)
    assert isinstance(viewed, ViewedNet) and viewed.view is view
    kept = trained_part(net, True, 64)
    assert [whole_network(each) for each in (other, viewed, kept)] == [other, other, net]
    with pytest.raises(ValueError, match="keep_features is true, but ActivationMapNet needs the images"):
        trained_part(other, True, 64)
    with pytest.raises(ValueError, match="a view of the images needs the images"):
        trained_part(net, True, 64, view)
