from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from monai_tbkd.data import ImageWarning, ReasonCode
from monai_tbkd.report.image_page import image_page
from monai_tbkd.report.image_pictures import ImagePicture, fit_side, map_layer, thumbnail
from monai_tbkd.results.prediction_table import COLUMNS
from monai_tbkd.transforms.map_to_boxes import upsample_map
from monai_tbkd.transforms.overlay import blend_map
from tests.report.parsed_page import Page

NASTY = '<script>alert("1")</script>&.dcm'


def row(**values: Any) -> dict[str, Any]:
    given = {
        "name": NASTY, "path": f"/images/{NASTY}", "status": "done", "source_format": "dicom", "height": 40,
        "width": 20, "pixel_steps": "first VOI window applied; inverted", "score_0_100": 80.0,
        "threshold_0_100": 62.5, "threshold_id": "a test", "decision": "TB suggestive", "n_boxes": 1,
        "boxes": [[1.0, 2.0, 10.0, 30.0, 0.9]], "model_version": "v<1>", "seconds": 0.1, "sop_instance_uid": "1.2.3",
    }  # fmt: skip
    return {**dict.fromkeys(COLUMNS), **given, **values}


def refused(reason: str = "NOT_CHEST", status: str = "refused") -> dict[str, Any]:
    none = dict.fromkeys(
        ("score_0_100", "threshold_0_100", "threshold_id", "decision", "n_boxes", "boxes", "pixel_steps")
    )
    return row(status=status, reason=reason, detail=f"why it was <b>{status}</b>", **none)


def picture(boxes: bool = True, tb_map: bool = True) -> ImagePicture:
    image = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    there = torch.tensor([[1.0, 2.0, 10.0, 30.0]])
    return ImagePicture(
        image, (40, 20), there if boxes else None, torch.tensor([0.9]) if boxes else None,
        torch.full((1, 4, 4), 0.25) if tb_map else None,
    )  # fmt: skip


def pictures_in(html: str) -> list[Image.Image]:
    found = re.findall(r"data:image/(?:jpeg|png);base64,([^\"]+)", html)
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in found]


def test_an_image_with_boxes() -> None:
    html = image_page(row(warnings="AGE_UNKNOWN; VIEW_UNKNOWN"), picture(), "../predictions.html")
    page = Page(html)
    assert page.text.count("Research use only, not for diagnosis.") == 2
    assert "Score 80.0 of 100, at or above the threshold of 62.5; 1 box." in page.text
    assert 'aria-label="Score 80.0 of 100, threshold 62.5"' in html
    assert page.row("1")[1:] == ["90", "1", "2", "10", "30"]
    for code in (ImageWarning.AGE_UNKNOWN, ImageWarning.VIEW_UNKNOWN):
        assert code in page.text
        assert code.meaning in page.text
    for words in ("First VOI window applied", "Inverted", "v<1>", "a test", "1.2.3"):
        assert words in page.text
    image, layer = pictures_in(html)  # once each, though two panels show the image
    assert image.size == (320, 640)
    assert layer.size == (96, 192)
    # the same box on both panels, in the image's own pixels
    assert html.count('viewBox="0 0 20 40"') == 2
    assert html.count('<rect x="1.0" y="2.0" width="9.0" height="28.0"/>') == 2


def test_it_loads_nothing_and_names_are_text() -> None:
    html = image_page(row(), picture(), "../predictions.html")
    page = Page(html)
    assert {load.partition(",")[0] for load in page.loads} == {
        "../predictions.html", "#image-picture", "data:image/jpeg;base64", "data:image/png;base64",
    }  # fmt: skip
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'\"" in html
    assert "script" not in page.tags
    assert NASTY in page.text


@pytest.mark.parametrize("reason", ["NOT_CHEST", "CORRUPT"])
def test_a_refused_image_has_its_reason_and_no_score(reason: str) -> None:
    code = ReasonCode(reason)
    shown = None if code.is_failure else picture(boxes=False, tb_map=False)
    page = Page(image_page(refused(reason, "failed" if code.is_failure else "refused"), shown))
    assert code.meaning[1:] in page.text
    assert f"({code})" in page.text
    assert ("The image cannot be shown." in page.text) == code.is_failure
    assert "of 100" not in page.text
    assert "why it was <b>" in page.text
    assert page.tags.count("svg") == (0 if code.is_failure else 1)
    assert "What was done to the pixels" not in page.text


def test_an_image_of_another_kind_has_a_score_and_no_decision() -> None:
    none = dict.fromkeys(("threshold_0_100", "threshold_id", "decision", "n_boxes", "boxes"))
    html = image_page(row(detail="calibrated on pictures", warnings="OTHER_INPUT_KIND", **none), picture(boxes=False))
    page = Page(html)
    assert "Score 80.0, no decision" in page.text
    assert "calibrated on pictures" in page.text
    assert 'aria-label="Score 80.0 of 100, no threshold"' in html
    assert "<rect" not in html


def test_a_score_just_below_its_threshold_does_not_look_like_it() -> None:
    near = row(score_0_100=62.47, decision="not TB suggestive", n_boxes=0, boxes=[])
    assert "Score 62.47 of 100, below the threshold of 62.50; no box." in Page(image_page(near, picture())).text


def test_without_a_map_the_page_says_so() -> None:
    page = Page(image_page(row(), picture(tb_map=False)))
    assert "The map was not kept" in page.text
    assert page.tags.count("svg") == 1


def test_the_layer_over_the_image_is_what_the_overlay_shows() -> None:
    tb_map = torch.rand(1, 6, 6, generator=torch.Generator().manual_seed(0))
    image = np.random.default_rng(0).integers(0, 255, (32, 48), dtype=np.uint8)
    layer = map_layer(tb_map, image.shape, side=48).convert("RGBA")
    assert layer.size == (48, 32)
    over = Image.alpha_composite(Image.fromarray(image).convert("RGBA"), layer).convert("RGB")
    expected = blend_map(image, upsample_map(tb_map, (32, 48))[0].numpy())
    assert np.abs(np.asarray(over).astype(int) - expected.astype(int)).max() <= 3  # two roundings to 8 bits


def test_a_thumbnail_has_boxes_where_they_are() -> None:
    there = ImagePicture(np.zeros((8, 8), np.uint8), (40, 20), torch.tensor([[10.0, 20.0, 20.0, 40.0]]))
    small = np.asarray(thumbnail(there, 80))
    assert small.shape == (80, 40, 3)
    assert tuple(small[-1, -1]) == (255, 196, 0)
    assert tuple(small[40, 20]) == (255, 196, 0)
    assert small[:39].max() == 0
    assert fit_side((1, 3000), 64) == (1, 64)


def test_the_same_image_gives_the_same_page(tmp_path: Path) -> None:
    assert image_page(row(), picture()) == image_page(row(), picture())
