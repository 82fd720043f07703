"""Wrong input ends with one sentence that names it and the mend, before anything is trained."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from monai.bundle import ConfigWorkflow

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.networks import ActivationMapNet
from monai_tbkd.networks.checkpoint import write_checkpoint
from tests.conftest import REPOSITORY
from tests.data.large_images import write_large_images
from tests.processes import run_python


def sentence(call: Callable[[], ConfigWorkflow]) -> str:
    with pytest.raises(Exception) as caught:
        call()
    cause = plain_cause(caught.value)
    assert cause is not None, f"no sentence of ours under {caught.value!r}"
    return str(cause)


def nowhere(images: Path) -> Path:
    return images / "not_there"


def empty(images: Path) -> Path:
    (images / "empty").mkdir()
    return images / "empty"


def unknown_folder(images: Path) -> Path:
    (images / "imgs" / "covid").mkdir()
    shutil.copy(images / "imgs" / "tb" / "tb0001.png", images / "imgs" / "covid" / "c1.png")
    return images


def box_outside(images: Path) -> Path:
    path = images / "annotations" / "xml" / "tb0001.xml"
    text = path.read_text()
    start, end = text.index("<xmax>") + 6, text.index("</xmax>")
    path.write_text(text[:start] + "99999" + text[end:])
    return images


def annotation_without_image(images: Path) -> Path:
    for path in images.glob("lists/*.txt"):
        path.write_text("".join(line for line in path.read_text().splitlines(True) if "tb0001" not in line))
    (images / "imgs" / "tb" / "tb0001.png").unlink()
    return images


def listed_image_absent(images: Path) -> Path:
    (images / "imgs" / "health" / "h0001.png").unlink()
    return images


def one_class(images: Path) -> Path:
    for name in ("health", "sick"):
        shutil.rmtree(images / "imgs" / name)
    for path in images.glob("lists/*.txt"):
        path.write_text("".join(line for line in path.read_text().splitlines(True) if line.startswith("tb/")))
    shutil.rmtree(images / "annotations" / "json")
    return images


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (nowhere, ["not_there"]),
        (empty, ["empty"]),
        (unknown_folder, ["covid", "health", "sick", "tb"]),
        (box_outside, ["tb0001", "outside"]),
        (annotation_without_image, ["tb0001", "annotation"]),
        (listed_image_absent, ["h0001"]),
        (one_class, ["train", "one label only", "tb"]),
    ],
    ids=lambda x: x.__name__ if callable(x) else "",
)
def test_data_set_is_refused_with_a_sentence(
    damage: Callable[[Path], Path], words: list[str], phantom_copy: Path, small_run: Callable, tmp_path: Path
) -> None:
    folder = damage(phantom_copy)
    text = sentence(lambda: small_run(["train"], dataset_dir=str(folder)))
    for word in words:
        assert word in text
    assert "\n" not in text.strip()
    assert not (tmp_path / "models").exists()  # nothing was trained


BOMBS = ("bomb.png", "bomb deflated.dcm", "bomb.nrrd", "sparse.dcm")


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bombs")
    write_large_images(folder, *BOMBS)
    return folder


@pytest.mark.parametrize(
    ("bomb", "split"), [*((bomb, "train") for bomb in BOMBS), ("bomb.png", "val"), ("bomb deflated.dcm", "val")]
)
def test_a_bomb_among_images_is_named_by_training_and_evaluation(
    bomb: str, split: str, bombs: Path, trained: Path, phantom_copy: Path, small_run: Callable, tmp_path: Path
) -> None:
    name = (phantom_copy / "lists" / f"TBX11K_{split}.txt").read_text().splitlines()[0]
    (phantom_copy / "imgs" / name).unlink()
    os.link(bombs / bomb, phantom_copy / "imgs" / name)
    out = tmp_path / "new"
    if split == "train":
        run, where = ["train"], {"ckpt_dir": str(out), "stage": "control"}
    else:
        point = {"operating_point": str(out / "operating_point.json"), "output_dir": str(out)}
        run, where = ["train", "evaluate"], {"ckpt_dir": str(trained / "models"), **point}
    text = sentence(lambda: small_run(run, dataset_dir=str(phantom_copy), **where))
    assert name in text
    assert "TOO_LARGE" in text
    assert not list(out.rglob("*.*"))  # nothing was trained or reported


def test_image_without_annotation_is_named_and_trained_by_its_label(
    phantom_copy: Path, small_run: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    (phantom_copy / "annotations" / "xml" / "tb0003.xml").unlink()
    shutil.rmtree(phantom_copy / "annotations" / "json")
    small_run(["train"], stage="teacher", dataset_dir=str(phantom_copy), max_epochs=1)
    assert "tb0003" in caplog.text
    text = sentence(lambda: small_run(["train"], dataset_dir=str(phantom_copy), missing_annotation="error"))
    assert "tb0003" in text


def test_teacher_of_another_architecture_is_refused(small_run: Callable, tmp_path: Path) -> None:
    other = ActivationMapNet("resnet18", num_classes=1, width=0.25, last_stage="layer2", output_stride=8)
    write_checkpoint(other, tmp_path / "models" / "teacher.pt", {"epochs": 1})
    text = sentence(lambda: small_run(["train"]))
    assert "another architecture" in text
    assert "width 0.25 (here 0.125)" in text
    assert not (tmp_path / "models" / "model.pt").exists()


def test_student_without_a_teacher_says_what_to_run(small_run: Callable) -> None:
    text = sentence(lambda: small_run(["train"], stage="student"))
    assert "no finished teacher" in text
    assert "--stage teacher" in text


def test_evaluation_before_training_says_what_to_run(small_run: Callable) -> None:
    assert "--stage student" in sentence(lambda: small_run(["train", "evaluate"]))


def test_inference_with_another_architecture_or_none(small_run: Callable, tmp_path: Path, phantoms: Path) -> None:
    images = str(phantoms / "imgs" / "tb")
    assert "model.pt" in sentence(lambda: small_run(["inference"], dataset_dir=images))
    other = ActivationMapNet("resnet18", num_classes=1, width=0.25, last_stage="layer2", output_stride=8)
    write_checkpoint(other, tmp_path / "models" / "model.pt", {"epochs": 1})
    assert "another architecture" in sentence(lambda: small_run(["inference"], dataset_dir=images))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"student_terms::logits::loss::temperature": 0, "stage": "student"}, "temperature is 0"),
        ({"max_epochs": 0}, "max_epochs is 0"),
        ({"class_weights": [1.0, 2.0, 3.0]}, "class_weights has 3 values"),
        ({"output_stride": 5}, "output_stride"),
        ({"stride_in_1x1": "maybe"}, "expected true or false"),
    ],
    ids=str,
)
def test_numbers_that_cannot_be(numbers: dict, words: str, small_run: Callable, tmp_path: Path) -> None:
    assert words in sentence(lambda: small_run(["train"], **numbers))
    assert not (tmp_path / "models" / "teacher.pt").exists()


def test_selection_split_of_no_image_is_named_at_evaluation(small_run: Callable) -> None:
    small_run(["train"], max_epochs=1, select=0.0)
    assert "select split has no image" in sentence(lambda: small_run(["train", "evaluate"], select=0.0, max_epochs=1))


def test_weights_that_are_not_there(small_run: Callable, tmp_path: Path) -> None:
    assert "no weights file" in sentence(lambda: small_run(["train"], weights=str(tmp_path / "resnet.pth")))


@pytest.mark.system
def test_the_last_line_a_user_sees_is_the_sentence(tmp_path: Path) -> None:
    command = ["-m", "monai.bundle", "run", "--config_file", str(REPOSITORY / "bundle" / "configs" / "train.yaml")]
    environment = {k: v for k, v in os.environ.items() if k != "TBKD_TRACEBACK"}
    done = run_python([*command, "--dataset_dir", str(tmp_path / "nothing")], tmp_path, environment)
    assert done.status == 1
    assert "Traceback" not in done.text
    error = [line for line in done.text.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert str(tmp_path / "nothing") in error[0]
