"""Signals of active learning: their numbers, and what is noted of them on images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.distance import jensenshannon

from monai_tbkd.bundle import bundle_files
from monai_tbkd.label.app_folder import AppFolder, write_app_folder
from monai_tbkd.label.image_pipeline import ImagePipeline, TeacherPipeline
from monai_tbkd.label.image_signals import NOTE, ImageSignals, map_disagreement, score_uncertainty
from monai_tbkd.networks.checkpoint import read_record, write_checkpoint
from tests.conftest import SMALL_RECIPE


class Store:
    """Images and notes, as MONAI Label's datastore has them."""

    def __init__(self, images: Mapping[str, Path]) -> None:
        self.images, self.notes = dict(images), {image: dict[str, Any]() for image in images}

    def get_image_uri(self, image: str) -> str:
        return str(self.images[image])

    def get_image_info(self, image: str) -> dict[str, Any]:
        return self.notes[image]

    def update_image_info(self, image: str, info: Mapping[str, Any]) -> None:
        self.notes[image].update(info)


@pytest.fixture(scope="module")
def app(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> AppFolder:
    folder, turned = tmp_path_factory.mktemp("label") / "app", {"check_frontal": "off"}
    return write_app_folder(folder, bundle_files(), trained / "models", [SMALL_RECIPE], turned)


@pytest.fixture
def store(phantoms: Path, tmp_path: Path) -> Store:
    images = sorted((phantoms / "imgs").rglob("*.png"))[:4]
    Image.fromarray(np.zeros((64, 64), dtype=np.uint8)).save(tmp_path / "blank.png")
    return Store({**{path.name: path for path in images}, "blank.png": tmp_path / "blank.png"})


def test_the_teacher_looks_through_its_view(app: AppFolder) -> None:
    """What is in the frame changes the student's map and not the teacher's."""
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    framed = image.clone()
    framed[..., :5, :] = 3.0  # of 64 rows; 0.08 of the height is the teacher's margin
    networks = [pipeline.model().network for pipeline in (ImagePipeline(app), TeacherPipeline(app))]
    with torch.no_grad():
        moved = [float((network(image) - network(framed)).abs().max()) for network in networks]
    assert moved[0] > 1e-3 and moved[1] == 0


def test_signals_are_those_of_the_maps_and_are_noted(app: AppFolder, store: Store) -> None:
    student, teacher = ImagePipeline(app), TeacherPipeline(app)
    signals = ImageSignals(student, teacher)
    found = signals.of(store, store.images)
    assert set(found) == set(store.images)
    image = next(iter(store.images))
    maps = [pipeline(store.images[image]).tb_map.numpy() for pipeline in (student, teacher)]  # type: ignore[union-attr]
    assert found[image]["disagreement"] == pytest.approx(float(map_disagreement(*maps)[0]), abs=1e-6)
    assert 0 <= found[image]["uncertainty"] <= 1
    assert found["blank.png"]["reason"] == "CORRUPT" and "score" not in found["blank.png"]
    assert store.notes[image][NOTE] == found[image]


def test_so_many_images_are_looked_at_and_none_twice(
    app: AppFolder, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals = ImageSignals(ImagePipeline(app))
    assert len(signals.of(store, store.images, at_most=2)) == 2
    assert len(signals.of(store, store.images, at_most=2)) == 4
    looked: list[Path] = []
    look = signals.look
    monkeypatch.setattr(signals, "look", lambda path: looked.append(path) or look(path))
    assert len(signals.of(store, store.images)) == 5
    assert len(looked) == 1
    assert "disagreement" not in signals.of(store, store.images)[next(iter(store.images))]


def test_a_new_model_has_new_signals(app: AppFolder, store: Store, tmp_path: Path) -> None:
    own = write_app_folder(tmp_path / "app", bundle_files(), app.models, [SMALL_RECIPE], dict(app.overrides))
    signals = ImageSignals(ImagePipeline(own))
    image = next(iter(store.images))
    before = signals.of(store, [image])[image]
    record = read_record(own.student)
    network = signals.student.model().network
    with torch.no_grad():
        network.head.bias += 1.0  # type: ignore[operator, union-attr]
    write_checkpoint(network, own.student, record or {})
    after = signals.of(store, [image])[image]
    assert after["models"] != before["models"] and after["score"] > before["score"]


def test_disagreement_by_hand() -> None:
    # cells: 1/4 against 3/4, mean 1/2: 1 - H(1/4); and two that agree
    one, other = np.array([[[0.25, 0.6], [0.0, 1.0]]]), np.array([[[0.75, 0.6], [0.0, 1.0]]])
    entropy = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert map_disagreement(one, other)[0] == pytest.approx((1 - entropy) / 4)


def test_as_scipy_has_it() -> None:
    one, other = np.random.default_rng(0).random((2, 3, 4, 5))
    pairs = [np.stack([x.ravel(), 1 - x.ravel()], axis=-1) for x in (one, other)]
    expected = (jensenshannon(*pairs, base=2, axis=-1) ** 2).reshape(3, -1).mean(axis=1)
    np.testing.assert_allclose(map_disagreement(one, other), expected, atol=1e-12)


def test_from_none_to_all() -> None:
    maps = np.random.default_rng(0).random((2, 3, 3))
    np.testing.assert_allclose(map_disagreement(maps, maps), 0)
    assert map_disagreement(np.zeros((1, 3, 3)), np.ones((1, 3, 3))).tolist() == [1.0]
    np.testing.assert_allclose(map_disagreement(maps, 1 - maps), map_disagreement(1 - maps, maps))


def test_an_image_of_nothing_comes_last() -> None:
    # ten times as probable is no disagreement worth a look where both are far from TB; a lesion that one misses is
    quiet, lesion = np.full((4, 4), 1e-4), np.full((4, 4), 1e-3)
    missed = quiet.copy()
    missed[1:3, 1:3] = 0.8
    values = map_disagreement(np.stack([quiet, quiet]), np.stack([lesion, missed]))
    assert values[1] > 100 * values[0]


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match="expected both"):
        map_disagreement(np.zeros((1, 2, 2)), np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="probabilities"):
        map_disagreement(np.full((1, 2, 2), 1.5), np.zeros((1, 2, 2)))
    with pytest.raises(ValueError, match="probabilities"):
        map_disagreement(np.full((1, 2, 2), np.nan), np.zeros((1, 2, 2)))


def test_uncertainty_by_hand() -> None:
    np.testing.assert_allclose(score_uncertainty(np.array([0.0, 0.1, 0.2, 0.6, 1.0]), 0.2), [0, 0.5, 1, 0.5, 0])
    np.testing.assert_allclose(score_uncertainty(np.array([0.25, 0.75])), [0.5, 0.5])


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_at_the_end_of_the_scale(threshold: float) -> None:
    values = score_uncertainty(np.array([0.0, 0.5, 1.0]), threshold)
    assert values[int(2 * threshold)] == 1 and values[1] == 0.5 and np.isfinite(values).all()


def test_what_is_no_probability_is_refused() -> None:
    for scores, threshold in ((np.array([1.2]), 0.5), (np.array([np.nan]), 0.5), (np.array([0.5]), 2.0)):
        with pytest.raises(ValueError, match="expected 0 to 1"):
            score_uncertainty(scores, threshold)
