from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pytest
import torch
from monai.transforms import Compose

from monai_tbkd.data import ImageError, ReasonCode
from monai_tbkd.engines.correction_images import boxed_images, correction_images, correction_sampler
from monai_tbkd.losses import UNKNOWN_LABEL


def item(name: str, class_name: str = "tb", boxes: Any = None) -> dict[str, Any]:
    return {
        "image": f"/{name}",
        "name": name,
        "label": int(class_name == "tb"),
        "class_name": class_name,
        "boxes": boxes,
    }


def read(image: dict[str, Any]) -> dict[str, Any]:
    if "bad" in image["image"]:
        raise ImageError(ReasonCode.CORRUPT, image["image"], "cut off")
    mask = torch.full((1, 4, 4), bool(image["boxes"]))
    return {**image, "image": torch.zeros(1, 4, 4), "true_mask": mask, "boxes_known": float(image["boxes"] is not None)}


def test_images_that_cannot_be_read_are_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    corrected = [item("a", boxes=[[0, 0, 2, 2]]), item("bad", boxes=[[0, 0, 2, 2]]), item("b"), item("c", "health", [])]
    others = [{"image": path, "name": path[1:]} for path in ("/a", "/u", "/bad_u")]
    with caplog.at_level(logging.INFO):
        images = correction_images(corrected, others, Compose([read]))
    assert [(image["name"], image["label"], image["tb"]) for image in images] == [
        ("a", 1, True),
        ("b", 1, True),
        ("c", 0, False),
        ("u", UNKNOWN_LABEL, False),  # /a has a label, so it is not unlabeled
    ]
    assert [image["name"] for image in boxed_images(images)] == ["a"]
    assert "bad is left out of the training: CORRUPT (cut off)" in caplog.text
    assert "3 corrected images (2 with TB, 1 of them with boxes) and 1 unlabeled ones" in caplog.text


def test_boxes_in_fractions_are_refused() -> None:
    drawn = {**item("a", boxes=[[0.2, 0.3, 0.5, 0.6]]), "size": [512, 512]}
    with pytest.raises(ValueError, match=r"as fractions are \(1: a has"):
        correction_images([drawn], [], read)


def test_nothing_to_learn_from() -> None:
    with pytest.raises(ValueError, match="None of 1 corrected images can be used"):
        correction_images([item("bad")], [{"image": "/u", "name": "u"}], read)


def test_a_fault_of_the_program_is_not_taken_for_a_bad_image() -> None:
    with pytest.raises(KeyError):
        correction_images([item("a")], [], lambda image: image["missing"])


def test_so_many_unlabeled_images_and_the_same_ones() -> None:
    others = [{"image": f"/u{i}", "name": f"u{i}"} for i in range(50)]
    first, again = (correction_images([item("a")], others, read, most_unlabeled=5, seed=3) for _ in range(2))
    assert [image["name"] for image in first] == [image["name"] for image in again]
    assert len(first) == 6
    assert len(correction_images([item("a")], others, read, most_unlabeled=0)) == 1


def test_shares_of_what_is_drawn() -> None:
    images = [{"label": 1}] * 9 + [{"label": 0}] + [{"label": UNKNOWN_LABEL}] * 30
    drawn: Counter[int] = Counter()
    for seed in range(300):
        sampler = correction_sampler(images, 0.5, seed)
        assert len(sampler) == 20
        drawn.update(images[i]["label"] for i in sampler)
    fraction = {label: number / drawn.total() for label, number in drawn.items()}
    assert fraction == pytest.approx({1: 0.25, 0: 0.25, UNKNOWN_LABEL: 0.5}, abs=0.02)


def test_one_class_and_no_others() -> None:
    sampler = correction_sampler([{"label": 1}] * 3, 0.5)
    assert len(sampler) == 3 and set(sampler) <= {0, 1, 2}
    with pytest.raises(ValueError, match="correction_fraction"):
        correction_sampler([{"label": 1}], 0.0)
