"""Strategies, scoring methods and the training task, in this process, on a folder of images."""

from __future__ import annotations

import base64
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_tbkd.networks.checkpoint import file_sha256
from tests.label_server.bright_images import bright_image, iou


@pytest.fixture
def app(app: Path, tmp_path: Path) -> Any:
    """The app on eight images: a0, a2 ... have a disk, a1, a3 ... none; a7 is no image."""
    from monai_tbkd.label.stand_ins import stand_in_for_pydicom_seg

    stand_in_for_pydicom_seg()
    from monai_tbkd.label.app import TuberculosisApp

    studies = tmp_path / "images"
    studies.mkdir()
    for number in range(7):
        image = bright_image(50 + number, lesion=number % 2 == 0)
        Image.fromarray(np.rint(image.pixels * 255).astype(np.uint8)).save(studies / f"a{number}.png")
    Image.fromarray(np.zeros((240, 180), dtype=np.uint8)).save(studies / "a7.png")
    return TuberculosisApp(str(app), str(studies), {"look_at": "3"})


def save(app: Any, number: int, tmp_path: Path, boxes: list[list[float]] | None = None) -> None:
    image = bright_image(50 + number, lesion=number % 2 == 0)
    drawn = ([image.box] if image.box else []) if boxes is None else boxes
    path = tmp_path / "label.json"
    boxes_of = [{"label": "tuberculosis", "bbox": box} for box in drawn]
    path.write_text(json.dumps({"boxes": boxes_of, "image_label": bool(drawn)}))
    app.datastore().keep_label(f"a{number}.png", path, "final", {})


def test_names(app: Any) -> None:
    info = app.info()
    assert set(info["strategies"]) == {"random", "uncertain_score", "teacher_student_disagreement"}
    assert set(info["scoring"]) == {"miou", "signals"}
    assert set(info["trainers"]) == {"tb_student"}
    assert info["trainers"]["tb_student"]["config"]["box_weight"] == 0


@pytest.mark.parametrize("strategy", ["uncertain_score", "teacher_student_disagreement"])
def test_the_image_with_most_of_a_signal_comes_first(app: Any, tmp_path: Path, strategy: str) -> None:
    app.scoring({"method": "signals"})
    store, signal = app.datastore(), {"uncertain_score": "uncertainty"}.get(strategy, "disagreement")
    notes = {image: store.get_image_info(image)["tbkd_signals"] for image in store.list_images()}
    assert notes["a7.png"]["reason"] == "CORRUPT"
    values = {image: note[signal] for image, note in notes.items() if signal in note}
    ranked = sorted(values, key=lambda image: -values[image])
    assert len(values) == 7
    for best in ranked:
        sample = app.next_sample({"strategy": strategy})
        assert (sample["id"], sample["weight"]) == (best, values[best])
        save(app, int(best[1]), tmp_path)
    # what is refused comes when there is nothing else, and then there is nothing
    assert app.next_sample({"strategy": strategy})["id"] == "a7.png"


def test_without_scoring_a_few_images_are_looked_at_in_a_request(app: Any) -> None:
    store = app.datastore()
    assert app.next_sample({"strategy": "uncertain_score"})["id"] in store.list_images()
    assert sum("tbkd_signals" in store.get_image_info(image) for image in store.list_images()) == 3


def test_an_image_at_work_comes_last(app: Any) -> None:
    store = app.datastore()
    app.scoring({"method": "signals"})
    for strategy in ("random", "uncertain_score"):
        for image in store.list_images():
            store.update_image_info(image, {"strategy": {"random": {"ts": time.time() - 10, "client_id": "x"}}})
        store.update_image_info("a3.png", {"strategy": {"random": {"ts": time.time() - 3600, "client_id": "x"}}})
        assert app.next_sample({"strategy": strategy})["id"] == "a3.png"


def test_nothing_left(app: Any, tmp_path: Path) -> None:
    (Path(app.studies) / "a7.png").unlink()
    for number in range(7):
        save(app, number, tmp_path, [])
    for strategy in app.info()["strategies"]:
        assert app.next_sample({"strategy": strategy}) == {}


def test_miou_against_drawn_boxes(app: Any, tmp_path: Path) -> None:
    assert app.scoring({"method": "miou"})["images"] == 0
    for number in range(5):
        save(app, number, tmp_path)
    result = app.scoring({"method": "miou"})
    assert result["images"] == 3 and 0.2 < result["low"] <= result["miou"] <= result["high"]
    note = app.datastore().get_image_info("a0.png")["tbkd_miou"]
    assert note["model_version"] == result["model_version"] and 0 < note["iou"] <= 1
    json.dumps(result)


def test_training_serves_a_new_model_and_a_broken_one_leaves_it(
    app: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served, image = app.folder.student, str(Path(app.studies) / "a0.png")
    with pytest.raises(ValueError, match="save labels first"):
        app.train({"model": "tb_student"})
    for number in range(6):
        save(app, number, tmp_path)
    before = file_sha256(served)
    version = app.infer({"model": "tb_boxes", "image": "a0.png"})["params"]["model_version"]
    # as a server gets it: text, and keys that are for others
    request = {"model": "tb_student", "finetune_epochs": "3", "finetune_batch_size": 4, "fewest_boxed": 3}
    request["device"] = "cpu"
    told = app.train({**request, "dataset_dir": "$print('evaluated')", "val_split": 0.2})
    json.dumps(told)
    assert told["images"]["corrected"] == 6 and told["images"]["with_tb"] == 3
    assert told["images"]["unlabeled"] == 1 and told["images_with_boxes"] == 3  # a7 is no image
    assert file_sha256(served) != before and app.info()["trainers"]["tb_student"]
    answer = app.infer({"model": "tb_boxes", "image": "a0.png"})["params"]
    assert answer["model_version"] != version and "boxes drawn on 3 images" in answer["threshold_id"]
    assert max(iou(bright_image(50, True).box or [], box["bbox"]) for box in answer["boxes"]) > 0.25
    assert app._trainers["tb_student"].stats()["trainings"] == 1
    assert told["weights_changed"] is True
    now = file_sha256(served)
    told = app.train({**request, "finetune_learning_rate": 0})
    assert told["weights_changed"] is False and "Nothing was learned" in caplog.text
    with pytest.raises(Exception, match=r"not finite|Failed"):
        app.train({**request, "finetune_learning_rate": 9e5})
    assert file_sha256(served) == now and Path(image).is_file()
    assert app.infer({"model": "tb_boxes", "image": "a0.png"})["params"] == answer


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("finetune_epochs", "$1"),
        ("finetune_epochs", 0),
        ("finetune_epochs", 2.5),
        ("box_weight", "nan"),
        ("box_weight", -1),
        ("finetune_learning_rate", {"_target_": "os.system"}),
        ("device", "cpu'); import os  #"),
        ("device", ["$x"]),
    ],
)
def test_options_that_cannot_be(name: str, value: object) -> None:
    from monai_tbkd.label.trainers import read_options

    with pytest.raises(ValueError, match=name):
        read_options({name: value})


def test_no_teacher_no_disagreement(app: Any, tmp_path: Path) -> None:
    from monai_tbkd.label.app import TuberculosisApp

    root = shutil.copytree(app.folder.root, tmp_path / "without")
    (root / "bundle" / "models" / "teacher.pt").unlink()
    other = TuberculosisApp(str(root), app.studies, {})
    assert set(other.info()["strategies"]) == {"random", "uncertain_score"}
    assert other.scoring({"method": "signals"})["images"] == 8


def test_the_cvat_function_gets_the_servers_boxes(
    folder_server: Any, images: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nuclio calls it, with a frame as CVAT sends it, on a real server."""
    from monai_tbkd.label.cvat_function.main import handler

    class Context:
        class Response:
            def __init__(self, body: str, **more: Any) -> None:
                self.content, self.status = json.loads(body), more["status_code"]

    class Event:
        body = json.dumps({"image": base64.b64encode(images["a"].path.read_bytes()).decode()})

    monkeypatch.setenv("TBKD_LABEL_URL", folder_server.url)
    answer = handler(Context(), Event())
    own = folder_server.request("POST", f"/infer/tb_boxes?image={images['a'].id}&output=json").json()
    assert answer.status == 200 and own["boxes"]
    assert [box["points"] for box in answer.content] == [box["bbox"] for box in own["boxes"]]
    assert max(iou(images["a"].image.box, box["points"]) for box in answer.content) > 0.3


def test_what_came_with_requests_goes_with_the_server(app: Any) -> None:
    """At its end, and at the next start where it was killed."""
    kept = Path(app.studies) / "a0.png"
    _, session = app.sessions().add_session(str(shutil.copy(kept, app.folder.root / "uploads" / "s.png")))
    (app.folder.root / "uploads" / "left").mkdir()
    assert Path(session.image).is_file()
    app.remove_uploads()
    for name in ("uploads", "sessions"):
        folder = app.folder.root / name
        assert not list(folder.iterdir()) and folder.stat().st_mode & 0o077 == 0
    assert kept.is_file()
