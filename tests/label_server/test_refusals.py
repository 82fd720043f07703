"""An image that is not scored gets an answer that says why, in every form, and stops no batch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.golden_dicom import ramp, write_image
from tests.label_server.conftest import KnownImage
from tests.label_server.servers import LabelServer


@pytest.fixture(scope="module")
def refused(folder_server: LabelServer, images: dict[str, KnownImage]) -> Iterator[dict[str, str]]:
    """Images that are refused, or fail, by identifier: their reason. They are taken away again."""
    folder = folder_server.app.parent / "images"
    write_image(folder / "lateral.dcm", ramp(0, 4095), 12, ViewPosition="LL", PatientOrientation=["A", "F"])
    write_image(folder / "child.dcm", ramp(0, 4095), 12, PatientAge="003Y")
    content = images["a"].path.read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])
    (folder / "text.png").write_text("no picture")
    shutil.copy(images["a"].path, folder / "good.png")
    yield {
        "lateral.dcm": "NOT_FRONTAL", "child.dcm": "UNDER_AGE", "cut.png": "CORRUPT", "text.png": "NOT_AN_IMAGE",
    }  # fmt: skip
    for name in ("lateral.dcm", "child.dcm", "cut.png", "text.png", "good.png"):
        (folder / name).unlink()


@pytest.mark.parametrize("model", ["tb_boxes", "tb_map", "tb_score"])
@pytest.mark.parametrize("output", ["json", "all", "image", ""])
def test_the_answer_says_why(folder_server: LabelServer, refused: dict[str, str], model: str, output: str) -> None:
    for identifier, reason in refused.items():
        answer = folder_server.request(
            "POST", f"/infer/{model}?image={identifier}" + (f"&output={output}" if output else "")
        )
        said = answer.json()
        if output == "image":
            assert answer.status_code == 422
            assert isinstance(said["detail"], str)
        else:
            assert answer.status_code == 200
        assert said["status"] in ("refused", "failed")
        assert said["reason"] == reason
        assert said["meaning"] and said["detail"]
        assert "image_score" not in said and "boxes" not in said
        assert str(folder_server.app.parent) not in json.dumps(said)  # no path of the server


def test_a_batch_goes_on(folder_server: LabelServer, refused: dict[str, str]) -> None:
    """The refused ones leave a note and no label, which could be taken for an image without findings."""
    images = [*refused, "good.png"]
    folder_server.run_task("/batch/infer/tb_map", "/batch/infer", {"images": images, "label_tag": "batch"})
    told = folder_server.request("GET", "/batch/infer").json()["details"]
    assert '"ends": "1 done, 2 refused, 2 failed"' in told[-1]
    objects = folder_server.request("GET", "/datastore/?output=all").json()["objects"]
    for identifier, reason in refused.items():
        assert objects[identifier]["image"]["info"]["finding"]["reason"] == reason
        assert "batch" not in objects[identifier]["labels"]
    assert objects["good.png"]["image"]["info"]["finding"]["status"] == "done"
    assert "batch" in objects["good.png"]["labels"]
    kept = Path(folder_server.app.parent / "images" / "tbkd_labels" / "labels" / "batch")
    assert [path.name for path in kept.iterdir()] == ["good.png.png"]
