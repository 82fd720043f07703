"""One image: determinism, boxes against what was drawn, cues outside the lungs."""

from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.data.phantom import CLASS_NAMES, PhantomImage, ShortcutSpec, make_image
from monai_tbkd.data.phantom.disease import ACTIVE, LATENT

ALL_CUES = ShortcutSpec(agreement=1.0)


@pytest.fixture(scope="module")
def tb_images() -> list[PhantomImage]:
    return [make_image("tb", (7, i), 128, ALL_CUES) for i in range(16)]


@pytest.mark.parametrize("class_name", CLASS_NAMES)
@pytest.mark.parametrize("size", [160, 256])
def test_the_same_seed_gives_the_same_bytes(class_name: str, size: int) -> None:
    one, other = (make_image(class_name, (0, 3), size, ALL_CUES) for _ in range(2))
    assert one.image.shape == (size, size) and one.image.dtype == np.uint8
    assert one.image.tobytes() == other.image.tobytes()
    assert (one.lesions, one.cues) == (other.lesions, other.cues)
    assert make_image(class_name, (0, 4), size, ALL_CUES).image.tobytes() != one.image.tobytes()


def test_seeds_of_different_length_differ() -> None:
    assert not np.array_equal(make_image("health", 1, 96).image, make_image("health", (1, 0), 96).image)


def test_the_same_seed_is_the_same_patient_in_every_class() -> None:
    healthy, cured = make_image("health", (2, 5), 128), make_image("tb", (2, 5), 128, draw_disease=False)
    np.testing.assert_array_equal(healthy.image, cured.image)


def test_boxes_hold_the_lesion(tb_images: list[PhantomImage]) -> None:
    for i, image in enumerate(tb_images[:8]):
        without = make_image("tb", (7, i), 128, ALL_CUES, draw_disease=False)
        difference = (image.image.astype(float) - without.image) ** 2
        inside = np.zeros_like(image.lung_field)
        for lesion in image.lesions:
            x0, y0, x1, y1 = (int(c) for c in lesion.box)
            assert 0 <= x0 < x1 <= 128 and 0 <= y0 < y1 <= 128
            inside[y0:y1, x0:x1] = True
            assert difference[y0:y1, x0:x1].mean() > 4  # it can be seen
        assert difference[inside].sum() >= 0.9 * difference.sum()


def test_boxes_are_tight(tb_images: list[PhantomImage]) -> None:
    """A box that is shrunk by a fifth on any side loses some of the lesion."""
    for i, image in enumerate(tb_images[:12]):
        if len(image.lesions) > 1:
            continue
        without = make_image("tb", (7, i), 128, ALL_CUES, draw_disease=False)
        difference = np.abs(image.image.astype(float) - without.image)
        x0, y0, x1, y1 = (int(c) for c in image.lesions[0].box)
        dx, dy = max(1, (x1 - x0) // 5), max(1, (y1 - y0) // 5)
        strips = ((y0, y1, x0, x0 + dx), (y0, y1, x1 - dx, x1), (y0, y0 + dy, x0, x1), (y1 - dy, y1, x0, x1))
        for top, bottom, left, right in strips:
            assert difference[top:bottom, left:right].max() >= 3


def test_lesions_follow_tbx11k(tb_images: list[PhantomImage]) -> None:
    lesions = [lesion for image in tb_images for lesion in image.lesions]
    assert all(1 <= len(image.lesions) <= 3 for image in tb_images)
    areas = np.array([(x1 - x0) * (y1 - y0) / 128**2 for x0, y0, x1, y1 in (n.box for n in lesions)])
    assert areas.min() >= 0.009 and areas.max() <= 0.125
    assert 0.03 < np.median(areas) < 0.07
    latent = np.mean([image.lesions[0].tb_type == LATENT for image in tb_images])
    assert 0.08 < latent < 0.35
    bilateral = np.mean([len({n.box[0] + n.box[2] > 128 for n in image.lesions}) == 2 for image in tb_images])
    assert 0.3 < bilateral < 0.7
    for lesion in lesions:
        assert (lesion.kind in {"fibrosis", "calcified"}) == (lesion.tb_type == LATENT)
        assert lesion.tb_type in {ACTIVE, LATENT} and 0 <= lesion.contrast <= 1


def test_some_lesions_are_not_in_the_upper_zone(tb_images: list[PhantomImage]) -> None:
    low = []
    for image in tb_images:
        rows = np.flatnonzero(image.lung_field.any(axis=1))
        middle = (rows[0] + rows[-1]) / 2
        low += [(n.box[1] + n.box[3]) / 2 > middle for n in image.lesions]
    assert 0.04 < np.mean(low) < 0.4


def test_the_lung_field_is_a_pair_of_lungs(tb_images: list[PhantomImage]) -> None:
    for image in tb_images:
        assert 0.15 < image.lung_field.mean() < 0.5
        assert (
            image.image[image.lung_field].mean() + 25 < image.image[100:, 50:78].mean()
        )  # air is darker than the belly
        right, left = image.lung_field[:, :64].sum(), image.lung_field[:, 64:].sum()
        assert 0.5 < left / right < 1.6


def test_only_images_with_tuberculosis_have_lesions() -> None:
    for i in range(6):
        assert make_image("health", i, 96).lesions == () and make_image("health", i, 96).finding is None
        sick = make_image("sick", i, 96)
        assert sick.lesions == () and sick.finding in {"consolidation", "effusion", "cardiomegaly"}


def test_cues_lie_outside_the_lungs(tb_images: list[PhantomImage]) -> None:
    for image in tb_images:
        assert [cue.kind for cue in image.cues] == ["border", "border", "letter", "text", "exposure"]
        for cue in image.cues:
            if cue.box is None:
                continue
            x0, y0, x1, y1 = (int(c) for c in cue.box)
            assert 0 <= x0 < x1 <= 128 and 0 <= y0 < y1 <= 128
            assert image.lung_field[y0:y1, x0:x1].mean() < 0.03


@pytest.mark.parametrize("kind", ["letter", "text", "border"])
def test_a_cue_alone_changes_its_own_box_only(kind: str) -> None:
    plain = make_image("tb", 5, 160)
    marked = make_image("tb", 5, 160, ShortcutSpec((kind,), 1.0))
    assert {cue.kind for cue in marked.cues} == {kind}
    changed = plain.image != marked.image
    assert changed.any()
    for cue in marked.cues:
        assert cue.box is not None
        x0, y0, x1, y1 = (int(c) for c in cue.box)
        changed[y0:y1, x0:x1] = False
    assert not changed.any()


def test_the_exposure_cue_darkens_the_lungs() -> None:
    plain, styled = make_image("tb", 5, 160), make_image("tb", 5, 160, ShortcutSpec(("exposure",), 1.0))
    assert [cue.kind for cue in styled.cues] == ["exposure"]
    assert styled.image[plain.lung_field].mean() < plain.image[plain.lung_field].mean() - 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_name": "pneumonia", "seed": 0}, "class_name must be one of"),
        ({"class_name": "tb", "seed": -1}, "seed"),
        ({"class_name": "tb", "seed": ()}, "seed"),
        ({"class_name": "tb", "seed": 0, "size": 32}, "at least 96"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_image(**arguments)  # type: ignore[arg-type]
