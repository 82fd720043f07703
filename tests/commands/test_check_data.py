from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from monai_tbkd.__main__ import main
from tests.data.images_by_hand import cut, noise_png

pytestmark = pytest.mark.bundle
Capture = pytest.CaptureFixture[str]


def check(*arguments: str | Path, folder: Path, capsys: Capture) -> tuple[int, str, dict[str, Any]]:
    report = folder / "report.json"
    status = main(["check_data", *map(str, arguments), "--json", str(report)])
    return status, capsys.readouterr().out, json.loads(report.read_text(encoding="utf-8"))


def kinds(content: dict[str, Any]) -> dict[str, str]:
    return {finding["kind"]: finding["severity"] for finding in content["findings"]}


def test_a_good_set(phantoms: Path, tmp_path: Path, capsys: Capture) -> None:
    status, text, content = check(phantoms, folder=tmp_path, capsys=capsys)
    assert (status, content["verdict"]) == (0, "ready")
    assert text.rstrip().endswith("verdict: ready")
    assert content["counts"]["train"]["tb"]["images"] == 14
    assert content["counts"]["val"]["sick"] == {"images": 2, "boxes": 0, "without_boxes": 0}
    assert (content["formats"], content["sizes"], content["unreadable"]) == ({"png": 36}, {"128 x 128": 36}, [])
    assert f"{phantoms}: tbx11k, 36 images" in text
    assert "train  health        8       0" in text
    assert "unreadable: none" in text
    assert [pair for pair in content["duplicates"] if pair["kind"] != "alike"] == []
    assert "shortcuts" not in content


def test_every_fault_is_reported_and_none_hides_another(phantom_copy: Path, tmp_path: Path, capsys: Capture) -> None:
    images, annotations = phantom_copy / "imgs", phantom_copy / "annotations"
    cut(images / "health" / "h0001.png")  # the header is whole, the pixels are not
    (images / "health" / "h0002.png").write_bytes(b"no image")
    (images / "sick" / "s0001.png").unlink()
    shutil.rmtree(annotations / "json")
    bare = annotations / "xml" / "tb0001.xml"
    bare.write_text("<annotation><size><width>9</width><height>9</height></size></annotation>", encoding="utf-8")
    outside = annotations / "xml" / "tb0002.xml"
    text = outside.read_text(encoding="utf-8")
    start, end = text.index("<xmax>") + 6, text.index("</xmax>")
    outside.write_text(f"{text[:start]}99999{text[end:]}", encoding="utf-8")
    # tb0003 is in train; h0009 to h0011 are those of val.
    shutil.copy(images / "tb" / "tb0003.png", images / "tb" / "tb0015.png")
    with Image.open(images / "tb" / "tb0004.png") as image:
        image.resize((200, 200)).save(images / "health" / "h0009.png")
    status, text, content = check(phantom_copy, folder=tmp_path, capsys=capsys)
    assert (status, content["verdict"]) == (1, "not usable")
    assert (
        kinds(content).items()
        >= {
            "missing_image": "error",
            "unreadable": "error",
            "undecodable": "error",
            "box_outside": "error",
            "not_annotated": "warning",
            "duplicates_across_splits": "warning",
            "duplicates_of_two_classes": "warning",
        }.items()
    )
    images = {finding["kind"]: finding["images"] for finding in content["findings"]}
    assert images["not_annotated"] == ["tb/tb0001.png"]
    assert images["box_outside"] == ["tb/tb0002.png"]
    assert images["undecodable"] == ["health/h0001.png"]
    assert "unreadable: CORRUPT 1, NOT_AN_IMAGE 1, NOT_READABLE 1; first: health/h0001.png" in text
    pairs = {(p["first"], p["second"]): p for p in content["duplicates"] if p["kind"] != "alike"}
    assert set(pairs) == {("tb/tb0003.png", "tb/tb0015.png"), ("tb/tb0004.png", "health/h0009.png")}
    assert pairs["tb/tb0003.png", "tb/tb0015.png"]["kind"] == "same file"
    near = pairs["tb/tb0004.png", "health/h0009.png"]
    assert (near["kind"], near["first_split"], near["second_split"], near["same_class"]) == (
        "near",
        "train",
        "val",
        False,
    )
    assert "tb/tb0004.png (train) - health/h0009.png (val): near" in text
    assert "OTHER LABEL" in text


def test_duplicates_within_a_split_are_a_warning_that_can_be_left_out(
    phantom_copy: Path, tmp_path: Path, capsys: Capture
) -> None:
    shutil.copy(phantom_copy / "imgs" / "health" / "h0001.png", phantom_copy / "imgs" / "health" / "h0002.png")
    status, _, content = check(phantom_copy, folder=tmp_path, capsys=capsys)
    assert (status, content["verdict"]) == (0, "usable with warnings")
    assert kinds(content)["duplicates_within_split"] == "warning"
    status, text, content = check(phantom_copy, "--no_duplicates", folder=tmp_path, capsys=capsys)
    assert (status, content["verdict"], content["duplicates"]) == (0, "ready", None)
    assert "duplicates (pairs)" not in text


def test_patients_in_two_splits_are_counted_and_not_named(tmp_path: Path, capsys: Capture) -> None:
    rows = []
    for number in range(8):
        noise_png(tmp_path / "images" / f"{number}.png", side=64, seed=number)
        label, split = ("tb", "train") if number < 3 else ("normal", "val" if number > 6 else "train")
        rows.append(f"{number}.png,{label},{split},{'Secret-7' if number in (0, 7) else f'p{number}'}")
    table = tmp_path / "images" / "manifest.csv"
    table.write_text("image,label,split,patient_id\n" + "\n".join(rows) + "\n", encoding="utf-8")
    status, text, content = check(tmp_path / "images", folder=tmp_path, capsys=capsys)
    assert (status, kinds(content)["patient_in_two_splits"]) == (1, "error")
    assert "Patients with images in two splits (1)" in text
    assert "patients with an id: 7" in text
    assert "Secret" not in text + json.dumps(content)


def test_what_cannot_be_loaded_is_a_finding_beside_the_rest(phantoms: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "odd" / "cats").mkdir(parents=True)
    status, text, content = check(phantoms, tmp_path / "odd", folder=tmp_path, capsys=capsys)
    assert (status, kinds(content)["cannot_load"]) == (1, "error")
    assert "error: " in text
    assert "unknown folders (1: cats)" in text
    assert content["counts"]["train"]["tb"]["images"] == 14
    status, text, content = check(tmp_path / "nowhere", folder=tmp_path, capsys=capsys)
    assert (status, content["counts"], content["verdict"]) == (1, {}, "not usable")
    assert "no such folder" in text


def test_shortcuts_are_measured_and_explained(phantom_copy: Path, tmp_path: Path, capsys: Capture) -> None:
    for path in (phantom_copy / "imgs" / "tb").iterdir():
        with Image.open(path) as image:
            marked = image.convert("L")
        marked.paste(255, (0, 0, 128, 8))
        marked.save(path)
    _, text, content = check(phantom_copy, "--shortcuts", folder=tmp_path, capsys=capsys)
    assert "19 TB images against 17 others" in text
    assert content["shortcuts"]["auc"]["frame"]["value"] > 0.95
    assert content["shortcuts"]["meaning"] in text
    assert "says next to nothing about tuberculosis" in text


def test_real_images(real_data: Path, tmp_path: Path, capsys: Capture) -> None:
    source, part = real_data / "TBX11K", tmp_path / "images"
    names = (source / "lists" / "TBX11K_train.txt").read_text().split()[-60:]
    for folder in ("lists", "imgs/tb", "annotations/xml"):
        (part / folder).mkdir(parents=True)
    (part / "lists" / "TBX11K_train.txt").write_text("\n".join(names))
    for name in names:
        for file in (f"imgs/{name}", f"annotations/xml/{Path(name).stem}.xml"):
            shutil.copyfile(source / file, part / file)
    status, _, content = check(part, "--no_duplicates", folder=tmp_path, capsys=capsys)
    # TB images alone are not a data set to train on.
    assert (status, kinds(content)["one_label"]) == (1, "error")
    assert content["counts"] == {"train": {"tb": {"images": 60, "boxes": 89, "without_boxes": 1}}}
    images = {finding["kind"]: finding["images"] for finding in content["findings"]}
    assert images["not_annotated"] == ["tb/tb1199.png"]


def test_hospitals_are_told_apart_and_an_image_of_two_is_named(tmp_path: Path, capsys: Capture) -> None:
    for number, name in enumerate(
        f"{position}/{kind}/{i}.png" for position in ("here", "there") for kind in ("tb", "normal") for i in range(3)
    ):
        noise_png(tmp_path / name, seed=number)
    shutil.copy(tmp_path / "here/tb/0.png", tmp_path / "there/tb/9.png")
    status, text, content = check(tmp_path / "here", tmp_path / "there", "--shortcuts", folder=tmp_path, capsys=capsys)
    assert status == 0
    assert {name: each["train"]["tb"]["images"] for name, each in content["counts_by_source"].items()} == {
        "here": 3,
        "there": 4,
    }
    found = {line[:12].rstrip() for line in text.splitlines()}
    assert {"source split", "here   train", "there  train"} <= found
    assert "  here: thumbnail " in text and "  there: thumbnail " in text
    assert {"image_in_two_sources", "duplicates_across_sources"} <= {
        k for k, v in kinds(content).items() if v == "warning"
    }
