from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.data import list_images
from monai_tbkd.data.audit.image_scan import scan_images
from monai_tbkd.metrics.shortcut_reference import shortcut_reference, shortcut_verdict

RNG = np.random.default_rng(0)


def noise(count: int) -> np.ndarray:
    return RNG.integers(0, 256, (count, 64, 64), dtype=np.uint8)


def reference(images: np.ndarray, labels: np.ndarray, groups: list[str] | None = None, **options: int):
    statistics = np.zeros((len(images), 5), dtype=np.float32)
    groups = groups or [str(number) for number in range(len(images))]
    return shortcut_reference(images, statistics, labels, groups, **{"resamples": 100, **options})


def test_a_cue_in_the_frame_is_found_by_both() -> None:
    images, labels = noise(120), np.arange(120) % 2 == 0
    images[labels, :4, :12] = 255
    aucs = reference(images, labels)
    assert aucs["frame"].value > 0.99
    assert aucs["thumbnail"].value > 0.99
    assert (aucs["frame"].n, aucs["frame"].low > 0.95) == (120, True)
    assert "says next to nothing about tuberculosis" in shortcut_verdict(aucs)


def test_a_cue_in_the_middle_is_not_in_the_frame() -> None:
    images, labels = noise(120), np.arange(120) % 2 == 0
    images[labels, 28:36, 28:36] = 255
    aucs = reference(images, labels)
    assert aucs["thumbnail"].value > 0.99
    assert 0.3 < aucs["frame"].value < 0.7


def test_nothing_to_learn_is_near_a_half() -> None:
    aucs = reference(noise(200), np.arange(200) % 2 == 0)
    for interval in aucs.values():
        assert interval.low < 0.5 < interval.high
    assert "others (text, markers, noise) may" in shortcut_verdict(aucs)


def test_statistics_count() -> None:
    labels = np.arange(60) % 3 == 0
    statistics = np.zeros((60, 5), dtype=np.float32)
    statistics[:, 2] = labels + 0.1 * RNG.normal(size=60)
    images = np.zeros((60, 64, 64), dtype=np.uint8)
    aucs = shortcut_reference(images, statistics, labels, [str(i) for i in range(60)], resamples=50)
    assert aucs["thumbnail"].value == 1
    assert aucs["frame"].value == 0.5, "a frame without any difference ties all images"


def test_images_of_a_patient_are_not_learned_by_heart() -> None:
    # Ten looks, each patient's own, with labels that only the patient tells: known by heart, AUC would be 1.
    looks, patients = noise(40), np.repeat(np.arange(40), 5)
    labels = np.arange(40) % 2 == 0
    together = reference(looks[patients], labels[patients], [str(p) for p in patients])
    apart = reference(looks[patients], labels[patients])
    assert apart["frame"].value > 0.95
    assert together["frame"].value < 0.75


def test_one_class_or_one_image_of_it_cannot_be_measured() -> None:
    for labels in (np.zeros(6, dtype=bool), np.arange(6) == 0, np.ones(6, dtype=bool)):
        aucs = reference(noise(6), labels)
        assert np.isnan(aucs["frame"].value)
        assert aucs["frame"].as_dict() == {"value": None, "low": None, "high": None, "n": 6}
        assert "at least two of each" in shortcut_verdict(aucs)


def test_the_same_in_every_order() -> None:
    images, labels = noise(40), np.arange(40) % 2 == 0
    names = [str(i) for i in range(40)]
    turned = reference(images[::-1], labels[::-1], names[::-1])
    assert turned["frame"].value == pytest.approx(reference(images, labels, names)["frame"].value, abs=0.01)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        reference(np.zeros((4, 48, 48), dtype=np.uint8), np.ones(4, dtype=bool))
    with pytest.raises(ValueError, match="different lengths"):
        reference(noise(4), np.ones(3, dtype=bool))


@pytest.mark.bundle
def test_two_real_sources_are_told_apart_by_their_frames(real_data) -> None:
    tb = [image["image"] for image in list_images(real_data / "TBX11K" / "imgs")][:100]
    others = [image["image"] for image in list_images(real_data / "nih")][:100]
    scans = scan_images([*tb, *others])
    aucs = shortcut_reference(
        np.stack([scan.thumbnail for scan in scans]),
        np.stack([scan.statistics for scan in scans]),
        np.arange(200) < 100,
        [*tb, *others],
        resamples=100,
    )
    assert aucs["frame"].value > 0.9
    assert aucs["thumbnail"].value > 0.93
