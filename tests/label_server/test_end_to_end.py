"""What an annotator's client does, from the first question to the export, on real servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_tbkd.__main__ import main
from monai_tbkd.label.label_map import mask_to_boxes, read_mask
from tests.label_server.bright_images import iou
from tests.label_server.conftest import KnownImage
from tests.label_server.servers import LabelServer

client_module = pytest.importorskip("monailabel.client", reason="monailabel is not installed: make test-label")
client_exception = client_module.client.MONAILabelClientException
GOOD = 0.3  # IoU; the model's own on these images is 0.36 to 0.54, a box placed blindly has 0.12


class Client:
    """MONAI Label's own client, on images by their short names."""

    def __init__(self, server: LabelServer, ids: dict[str, str], tmp: Path) -> None:
        self.server, self.ids = server, ids
        self.client = client_module.MONAILabelClient(server.url, str(tmp))

    @property
    def store(self) -> Path:
        """Where labels are, as `export_labels` is told."""
        of_pacs = [each.parent for each in (self.server.app / "pacs").glob("*/pacs.json")]
        return of_pacs[0] if of_pacs else self.server.app.parent / "images"

    def infer(self, model: str, name: str, **params: Any) -> tuple[str | None, dict[str, Any]]:
        file, answer = self.client.infer(model, self.ids[name], params)
        return file, answer if isinstance(answer, dict) else json.loads(answer)


@pytest.fixture(scope="module", params=["folder", "pacs"])
def client(
    request: pytest.FixtureRequest, images: dict[str, KnownImage], tmp_path_factory: pytest.TempPathFactory
) -> Client:
    in_pacs = request.param == "pacs"
    server = request.getfixturevalue(f"{request.param}_server")
    ids = {name: image.series if in_pacs else image.id for name, image in images.items() if image.series or not in_pacs}
    return Client(server, ids, tmp_path_factory.mktemp("client"))


def test_info_names_models_options_and_images(client: Client) -> None:
    info = client.client.info()
    assert set(info["models"]) == {"tb_boxes", "tb_map", "tb_score"}
    assert {name: info["models"][name]["type"] for name in info["models"]} == {
        "tb_boxes": "detection", "tb_map": "segmentation", "tb_score": "classification",
    }  # fmt: skip
    options = info["models"]["tb_boxes"]["config"]
    assert {"score_threshold", "map_threshold", "smallest_area", "threshold_mode"} <= set(options)
    assert info["datastore"]["total"] == len(client.ids)
    assert set(client.client.datastore()["objects"]) == set(client.ids.values())


def test_boxes_land_on_the_disks_in_image_pixels(client: Client, images: dict[str, KnownImage]) -> None:
    for name in client.ids:
        image = images[name].image
        answer = client.server.request("POST", f"/infer/tb_boxes?image={client.ids[name]}&output=json").json()
        assert answer["status"] == "done", answer
        assert (answer["image_height"], answer["image_width"]) == image.pixels.shape
        boxes = [box["bbox"] for box in answer["boxes"]]
        if image.box is None:
            assert not boxes
            assert answer["decision"] == "not TB suggestive"
        else:
            assert max(iou(image.box, box) for box in boxes) > GOOD, (name, image.box, boxes)


def test_every_form_of_answer(client: Client, images: dict[str, KnownImage], tmp_path: Path) -> None:
    name = "e"  # a DICOM image, so it is in both stores
    image, identifier = images[name], client.ids[name]
    markups, answer = client.infer("tb_boxes", name, result_extension=".nrrd")  # what 3D Slicer sends
    assert markups and len(json.loads(Path(markups).read_text())["markups"]) == len(answer["boxes"])
    mask, answer = client.infer("tb_map", name, result_extension=".nrrd")
    assert mask
    found = mask_to_boxes(read_mask(Path(mask), image.path, image.image.pixels.shape))
    assert max(iou(image.image.box, box) for box in found) > GOOD
    np.testing.assert_allclose(sorted(found), sorted(box["bbox"] for box in answer["boxes"]), atol=2.0)
    nothing, score = client.infer("tb_score", name)
    assert nothing is None
    assert score["prediction"] == [{"idx": 1, "label": "tuberculosis", "score": score["image_score"]}]
    answered = client.server.request("POST", f"/infer/tb_map?image={identifier}&output=image")
    (tmp_path / "mask.nrrd").write_bytes(answered.content)
    assert read_mask(tmp_path / "mask.nrrd", image.path, image.image.pixels.shape).any()
    refused = client.server.request("POST", f"/infer/tb_score?image={identifier}&output=image")
    assert refused.status_code == 422
    assert refused.json()["image_score"] == score["image_score"]
    assert client.server.request("POST", f"/infer/tb_map?image={identifier}&output=dicom_seg").status_code == 422


def test_options_of_a_request(client: Client) -> None:
    _, own = client.infer("tb_boxes", "e")
    _, none = client.infer("tb_boxes", "e", score_threshold=1.0)
    assert own["boxes"] and not none["boxes"]
    assert none["threshold_id"].startswith("request: score_threshold")
    shown = client.client.info()["models"]["tb_boxes"]["config"]
    assert client.infer("tb_boxes", "e", **shown)[1]["threshold_id"] == own["threshold_id"]
    wrong = client.server.request(
        "POST", f"/infer/tb_boxes?image={client.ids['e']}", data={"params": '{"map_threshold": "high"}'}
    )
    assert wrong.status_code == 422
    assert "map_threshold" in wrong.json()["detail"]


def test_labels_are_saved_listed_and_read_back(client: Client, images: dict[str, KnownImage], tmp_path: Path) -> None:
    markups, _ = client.infer("tb_boxes", "e")
    client.client.save_label(client.ids["e"], markups, params={"note": "as drawn"})
    mask, _ = client.infer("tb_map", "f", result_extension=".nrrd")
    client.client.save_label(client.ids["f"], mask)
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"boxes": [{"label": "tuberculosis", "bbox": images["g"].image.box}]}))
    client.client.save_label(client.ids["g"], str(own))
    own.write_text(json.dumps({"boxes": [], "image_label": "health"}))
    client.client.save_label(client.ids["h"], str(own))
    status = client.server.request("GET", "/datastore/").json()
    assert status["completed"] == 4
    assert status["label_tags"]["final"] == 4
    pairs = client.server.request("GET", "/datastore/?output=train").json()
    assert {pair["id"] for pair in pairs} == {client.ids[name] for name in "efgh"}
    back = client.client.download_label(client.ids["g"], "final")
    assert json.loads(Path(back).read_text())["boxes"][0]["bbox"] == images["g"].image.box
    info = client.server.request("GET", f"/datastore/label/info?label={client.ids['h']}&tag=final").json()
    assert info["understood"] == {"class_name": "health", "boxes": []}
    own.write_text("{}")
    with pytest.raises(client_exception) as refused:
        client.client.save_label(client.ids["g"], str(own))
    assert "422" in refused.value.msg


def test_next_sample_of_every_strategy_is_unlabeled(client: Client) -> None:
    unlabeled = set(client.ids.values()) - {client.ids[name] for name in "efgh"}
    strategies = client.client.info()["strategies"]
    assert {"random", "uncertain_score", "teacher_student_disagreement"} <= set(strategies)
    for strategy in strategies:
        sample = client.client.next_sample(strategy, {})
        assert sample["id"] in unlabeled, strategy
        assert "PatientID" not in sample


def test_batch_inference_without_a_gpu(client: Client) -> None:
    """With the defaults of the endpoint, which the stock server divides by no GPU."""
    client.server.run_task("/batch/infer/tb_boxes?images=all", "/batch/infer")
    objects = client.client.datastore()["objects"]
    for name, identifier in client.ids.items():
        finding = objects[identifier]["image"]["info"]["finding"]
        assert finding["status"] == "done", (name, finding)
        assert "original" in objects[identifier]["labels"]
    assert client.server.info()["datastore"]["completed"] == 4  # a program's label finishes nothing


def test_scoring_and_training_serve_new_weights(client: Client, images: dict[str, KnownImage]) -> None:
    info = client.server.info()
    assert "miou" in info["scoring"]
    for method in info["scoring"]:
        client.server.run_task(f"/scoring/{method}", "/scoring/")
    notes = client.client.datastore()["objects"][client.ids["g"]]["image"]["info"]
    assert notes["tbkd_miou"]["iou"] > GOOD  # against the boxes that were saved
    _, before = client.infer("tb_boxes", "e")
    (trainer,) = info["trainers"]
    client.server.run_task(
        f"/train/{trainer}", "/train/", {"finetune_epochs": 3, "finetune_batch_size": 2}, seconds=180
    )
    _, after = client.infer("tb_boxes", "e")
    assert before["model_version"] != after["model_version"]  # the running server reads the new weights
    assert max(iou(images["e"].image.box or [], box["bbox"]) for box in after["boxes"]) > GOOD


def test_labels_are_exported(client: Client, images: dict[str, KnownImage], tmp_path: Path) -> None:
    assert main(["export_labels", str(client.store), "--output", str(tmp_path / "out")]) == 0
    exported = json.loads((tmp_path / "out" / "labels.json").read_text())
    by_id = {image["identifier"]: image for image in exported["images"]}
    assert set(by_id) == {client.ids[name] for name in "efgh"}
    for name in "efgh":
        image, known = by_id[client.ids[name]], images[name].image
        assert (image["height"], image["width"]) == known.pixels.shape
        boxes = [each["bbox"] for each in exported["annotations"] if each["image_id"] == image["id"]]
        drawn = [[x, y, x + w, y + h] for x, y, w, h in boxes]
        if known.box is None:
            assert not drawn
            assert image["label"] == "health"
        else:
            assert max(iou(known.box, box) for box in drawn) > (0.999 if name == "g" else GOOD)
