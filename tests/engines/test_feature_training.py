from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from monai_tbkd.engines.distillation_trainer import TEACHER_MAP
from monai_tbkd.engines.feature_training import FeatureBatches, keep_features, maps_of, train_head
from monai_tbkd.losses import BalancedLabelLoss, CellDistillationLoss, DistillationObjective
from monai_tbkd.networks import HemithoraxMapPool, SymmetricMapHead, SymmetricMapNet, mirror_mean


def told_features(number: int) -> torch.Tensor:
    """Features in which a film's row, and whether it is the film or its mirror image, can be read."""
    own = torch.arange(number, dtype=torch.float32)[:, None, None, None].expand(-1, 1, 2, 2)
    return torch.cat([own, own + 100], dim=1).half()


@pytest.mark.parametrize("batch_size", [4, 3])
def test_each_film_twice_an_epoch(batch_size: int) -> None:
    rows = [0, 2, 3, 5, 7, 9]
    batches = FeatureBatches(told_features(10), rows, torch.arange(10), batch_size)
    for _ in range(3):
        epoch = list(batches)
        assert len(epoch) == len(batches) == 12 // batch_size
        seen = Counter(int(x) for batch in epoch for x in batch["label"])
        assert seen == dict.fromkeys(rows, 2)


def test_mirrored_labels_and_targets_change_places() -> None:
    labels = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]])
    targets = torch.stack([torch.arange(4.0), torch.arange(4.0) + 100], dim=1)[..., None, None, None]
    batches = FeatureBatches(told_features(4), range(4), labels, 2, targets)
    seen = set()
    for batch in [batch for _ in range(4) for batch in batches]:
        first, second = batch["image"][:, 0, 0, 0], batch["image"][:, 1, 0, 0]
        mirrored = bool(first[0] >= 100)
        rows = (second if mirrored else first).long()
        assert torch.equal(first - second, torch.full((2,), 100.0 if mirrored else -100.0))
        assert torch.equal(batch["label"], labels[rows].flip(-1) if mirrored else labels[rows])
        assert torch.equal(batch[TEACHER_MAP][:, 0, 0, 0], rows + (100.0 if mirrored else 0.0))
        seen.add(mirrored)
    assert seen == {True, False}


def test_labels_of_whole_films_stay_and_the_seed_decides() -> None:
    def epochs(seed: int) -> list[list[int]]:
        batches = FeatureBatches(told_features(8), range(8), torch.arange(8), 4, seed=seed)
        return [batch["label"].tolist() + batch["image"][:, 0, 0, 0].tolist() for batch in [*batches, *batches]]

    assert epochs(3) == epochs(3)
    assert epochs(3) != epochs(4)


def test_fewer_films_than_a_batch_and_none() -> None:
    assert len(list(FeatureBatches(told_features(4), [1, 2], torch.arange(4), 32))) == 2
    with pytest.raises(ValueError, match="No film takes part"):
        FeatureBatches(told_features(4), [], torch.arange(4))


def looked(item: dict[str, Any]) -> dict[str, Any]:
    film = torch.randn(3, 48, 48, generator=torch.Generator().manual_seed(item["image"]))
    return {"image": film, "lung_crop": torch.full((4,), float(item["image"])), "name": "not wanted"}


def test_kept_features_are_the_networks() -> None:
    torch.manual_seed(0)
    net = SymmetricMapNet("resnet18", components=4, width=0.125).eval()
    data = [{"image": n} for n in range(5)]
    kept, other = keep_features(net, data, looked, batch_size=2, fit_films=3, cells=5)
    films = torch.stack([looked(item)["image"] for item in data])
    with torch.no_grad():
        expected = net.features(films)
    assert kept.dtype == torch.float16
    assert kept.shape == (5, 8, 3, 3)
    # bfloat16 has 8 bits
    assert float((kept.float() - expected).abs().mean() / expected.abs().mean()) < 0.03
    assert set(other) == {"lung_crop"}
    assert other["lung_crop"][:, 0].tolist() == [0, 1, 2, 3, 4]
    with torch.no_grad():
        torch.testing.assert_close(maps_of(net.head, expected, 48, 16, batch_size=2), net(films))


@pytest.mark.parametrize("has", [True, False])
def test_features_are_computed_in_the_precision_that_the_processor_has(
    has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has}, raising=False)
    net = SymmetricMapNet("resnet18", components=4, width=0.125).eval()
    seen = []
    hook = net.reduce.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    keep_features(net, [{"image": 0}], looked, fit_films=1, cells=9)
    hook.remove()
    assert set(seen) == {torch.bfloat16 if has else torch.float32}


def test_components_are_fitted_on_the_data_and_only_if_asked() -> None:
    torch.manual_seed(0)
    net = SymmetricMapNet("resnet18", components=4, width=0.125)
    data = [{"image": n} for n in range(4)]
    before = net.reduce.weight.clone()
    keep_features(net, data, looked)
    assert torch.equal(net.reduce.weight, before)
    keep_features(net, data, looked, fit_films=4, cells=9)
    assert not torch.equal(net.reduce.weight, before)
    again = net.reduce.weight.clone()
    keep_features(net, data, looked, fit_films=4, cells=9)
    assert torch.equal(net.reduce.weight, again)


def toy(number: int = 48) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Films with a cell that is alike nothing on the side that is diseased: features, labels, where it is."""
    rng = np.random.default_rng(0)
    own = torch.from_numpy(rng.normal(0, 0.3, (number, 3, 5, 5))).float()
    labels, where = torch.zeros(number, 2, dtype=torch.long), torch.zeros(number, 5, 5)
    for film in range(number):
        side, row = int(rng.integers(2)), int(rng.integers(5))
        column = int(rng.integers(2)) + 3 * side
        own[film, 1, row, column] += 3.0
        labels[film, side], where[film, row, column] = 1, 1.0
    return torch.cat([own, own.flip(-1)], dim=1).half(), labels, where


def test_a_head_learns_from_half_labels_where_it_is() -> None:
    features, labels, where = toy()
    torch.manual_seed(0)
    head = SymmetricMapHead(3, hidden=16, dropout=0.0)
    objective = DistillationObjective(HemithoraxMapPool(2.0), BalancedLabelLoss())
    train_head(head, FeatureBatches(features, range(32), labels, 8), objective, epochs=25, learning_rate=0.01)
    assert not head.training
    with torch.no_grad():
        maps = mirror_mean(head, features[32:].float(), 65, 16)[:, 0]  # films that it was not trained on
    peaks = maps.flatten(1).argmax(dim=1)
    assert (peaks == where[32:].flatten(1).argmax(dim=1)).float().mean() > 0.9


def test_a_head_learns_a_teachers_cells() -> None:
    features, labels, where = toy()
    targets = 8.0 * torch.stack([where, where.flip(-1)], dim=1)[:, :, None] - 4.0
    torch.manual_seed(0)
    head = SymmetricMapHead(3, hidden=16, dropout=0.0)
    objective = DistillationObjective(
        HemithoraxMapPool(2.0), BalancedLabelLoss(), cells=CellDistillationLoss(gate_by_label=False),
        label_weight=0.0, cell_weight=1.0,
    )  # fmt: skip
    batches = FeatureBatches(features, range(32), labels, 8, targets)
    train_head(head, batches, objective, epochs=25, learning_rate=0.01)
    with torch.no_grad():
        maps = mirror_mean(head, features[32:].float(), 65, 16)[:, 0]
    inside, outside = maps[where[32:] > 0], maps[where[32:] == 0]
    assert float((inside > 0).float().mean()) > 0.9
    assert float((outside < 0).float().mean()) > 0.98
