from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import rotate

from monai_tbkd.data.gate.frontal_gate import FrontalGate, GateVerdict
from monai_tbkd.data.phantom import CLASS_NAMES, ShortcutSpec, make_image

GATE = FrontalGate()
IMAGES = [make_image(CLASS_NAMES[i % 3], (8, i), 128, ShortcutSpec()).image for i in range(12)]


def kinds(images: list[np.ndarray]) -> set[str]:
    return {GATE(image).kind for image in images}


def text_page() -> np.ndarray:
    image = Image.new("L", (400, 520), 255)
    for row in range(20, 500, 14):
        ImageDraw.Draw(image).text((20, row), "Lorem ipsum dolor sit amet, consectetur adipiscing elit", fill=0)
    return np.asarray(image)


def test_upright_phantoms_are_accepted() -> None:
    assert kinds(IMAGES) == {"frontal"}
    verdict = GATE(IMAGES[0])
    assert verdict == GateVerdict(True, "frontal", verdict.score)
    assert verdict.score >= GATE.threshold


def test_what_lies_wrong_is_named() -> None:
    images = IMAGES[:9]
    assert kinds([image[::-1, ::-1] for image in images]) == {"upside_down"}
    assert kinds([image[::-1] for image in images]) == {"upside_down"}
    assert kinds([np.rot90(image) for image in images[:5]] + [np.rot90(image, 3) for image in images[5:]]) == {"turned"}
    assert kinds([255 - image[::-1] for image in images]) == {"inverted"}
    negatives = [GATE(255 - image) for image in images]
    assert {verdict.kind for verdict in negatives} == {"inverted"} and not any(v.accepted for v in negatives)


def test_mirror_images_are_the_same_to_it() -> None:
    for image in IMAGES[:5]:
        assert GATE(image[:, ::-1]).score == pytest.approx(GATE(image).score, abs=0.05)


@pytest.mark.parametrize(
    "picture",
    [
        np.random.default_rng(0).random((256, 256)),
        np.random.default_rng(0).normal(size=(64, 200)),
        np.zeros((100, 100)),
        np.full((100, 100), 4095.0),
        np.tile(np.arange(300.0), (200, 1)),
        np.tile(np.arange(300.0), (200, 1)).T,
        np.hypot(*np.mgrid[-1:1:200j, -1:1:200j]),
        np.indices((160, 160)).sum(0) // 20 % 2,
        text_page(),
        255 - text_page(),
    ],
    ids=["noise", "wide noise", "black", "white", "slope", "slope down", "funnel", "chessboard", "text", "white text"],
)
def test_other_pictures_are_refused(picture: np.ndarray) -> None:
    assert not GATE(picture).accepted


def test_parts_of_an_image_are_refused() -> None:
    parts = [part for image in IMAGES for part in (image[:, :64], image[:, 64:], image[:64, :64], image[40:80, 40:80])]
    assert np.mean([GATE(part).accepted for part in parts]) <= 0.05


@pytest.mark.parametrize("size", [(64, 64), (96, 80), (512, 512), (2000, 1700), (70, 90)])
def test_size_and_proportions_do_not_matter(size: tuple[int, int]) -> None:
    image = Image.fromarray(make_image("tb", 5, 512).image)
    assert GATE(np.asarray(image.resize(size[::-1], Image.Resampling.BOX))).accepted


def test_gray_range_does_not_matter() -> None:
    for image in IMAGES[:5]:
        score = GATE(image).score
        assert GATE(image.astype(np.float32) * 0.01 - 7).score == pytest.approx(score, abs=0.02)
        assert GATE(image.astype(np.int32) * 16 + 300).score == pytest.approx(score, abs=0.02)


def test_tilt_border_and_gray_curve_are_tolerated() -> None:
    for image in IMAGES[:4]:
        worse = [rotate(image, angle, reshape=False, order=1, mode="nearest") for angle in (-10, 10)]
        worse += [np.pad(image, ((20, 8), (15, 30)), constant_values=value) for value in (0, 255)]
        worse += [(image / 255.0) ** gamma for gamma in (0.5, 2.0)]
        assert kinds(worse) == {"frontal"}


def test_a_higher_threshold_refuses_more() -> None:
    score = GATE(IMAGES[0]).score
    assert FrontalGate(threshold=score - 0.01)(IMAGES[0]).accepted
    refused = FrontalGate(threshold=score + 0.01)(IMAGES[0])
    assert refused == GateVerdict(False, "not_a_chest_image", score)


def test_weights_of_another_shape_are_an_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "gate.npz", edges=np.zeros((4, 4, 8)), grays=np.zeros((16, 16)), bias=0.0)
    with pytest.raises(ValueError, match="fit them anew"):
        FrontalGate(weights=tmp_path / "gate.npz")


def test_it_is_fast() -> None:
    image = np.asarray(Image.fromarray(IMAGES[0]).resize((512, 512)), dtype=np.float32)
    GATE(image)
    took = []
    for _ in range(10):
        start = time.perf_counter()
        GATE(image)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.05  # about 5 ms on an idle core


def real_images(root: Path) -> dict[str, list[np.ndarray]]:
    """Every sixth image of each source, so that both views and both labels of NIH are there."""
    with open(root / "nih" / "manifest.csv", newline="", encoding="utf-8") as manifest:
        nih = [root / "nih" / row["image"] for row in csv.DictReader(manifest)]
    paths = {"TBX11K": sorted((root / "TBX11K" / "imgs").rglob("*.png"))[::6], "NIH": nih[::6]}
    return {source: [np.asarray(Image.open(path).convert("L")) for path in found] for source, found in paths.items()}


@pytest.mark.bundle
def test_rates_on_real_images(real_data: Path) -> None:
    for source, images in real_images(real_data).items():
        assert len(images) >= 60, source
        assert np.mean([GATE(image).accepted for image in images]) >= 0.97, source
        upside_down, negative = [GATE(image[::-1, ::-1]) for image in images], [GATE(255 - image) for image in images]
        turned = [GATE(np.rot90(image, times)) for image in images for times in (1, 3)]
        assert np.mean([verdict.accepted for verdict in upside_down + negative + turned]) <= 0.005, source
        assert np.mean([verdict.kind == "upside_down" for verdict in upside_down]) >= 0.97, source
        assert np.mean([verdict.kind == "inverted" for verdict in negative]) >= 0.97, source
