from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_tbkd.data import DatalistError
from monai_tbkd.results.labeled_predictions import read_labeled_predictions
from monai_tbkd.results.prediction_table import COLUMNS

LABELS = [("a.png", "tb", "p1"), ("b.png", "normal", "p2"), ("c.png", "TB", ""), ("d.png", "sick", "p1")]


def predictions(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "predictions.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def image(name: str, score: float | str = 50, **values: Any) -> dict[str, Any]:
    given = {"status": "done", "source_format": "png", "model_version": "v1", "path": f"/images/{name}"}
    return {"name": name, "score_0_100": score, **given, **values}


def refused(name: str, **values: Any) -> dict[str, Any]:
    return image(name, "", status="refused", reason="NOT_FRONTAL", source_format="", **values)


def labels(folder: Path, rows: list[tuple[str, ...]] = LABELS, header: str = "image,label,patient_id") -> Path:
    path = folder / "clinic.csv"
    path.write_text("\n".join([header, *map(",".join, rows)]) + "\n")
    return path


def test_joined_by_name(tmp_path: Path) -> None:
    rows = image("b.png", 12.5), image("x.png", 99), refused("c.png"), image("a.png", 80, source_format="jpeg")
    found = read_labeled_predictions(predictions(tmp_path, *rows), labels(tmp_path))
    assert found.names == ["b.png", "c.png", "a.png"]
    assert found.scores == pytest.approx([12.5, np.nan, 80], nan_ok=True)
    assert found.positive.tolist() == [False, True, True]
    assert found.patients == ["p2", None, "p1"]
    assert found.not_scored == [{"name": "c.png", "status": "refused", "reason": "NOT_FRONTAL", "tb": True}]
    assert (found.model_version, found.input_kind) == ("v1", "picture")
    assert (found.without_label, found.without_prediction) == (["x.png"], ["d.png"])


def test_joined_by_path_where_inference_began_at_another_folder(tmp_path: Path) -> None:
    row = image("sub/a.png", path=str(tmp_path / "a.png"))
    found = read_labeled_predictions(predictions(tmp_path, row), labels(tmp_path))
    assert found.names == ["a.png"]
    assert found.without_prediction == ["b.png", "c.png", "d.png"]


def test_a_data_set_gives_all_its_splits(phantoms: Path, tmp_path: Path) -> None:
    names = [p.relative_to(phantoms / "imgs").as_posix() for p in sorted((phantoms / "imgs").rglob("*.png"))]
    found = read_labeled_predictions(predictions(tmp_path, *map(image, names)), phantoms)
    assert len(found.names) == 36
    assert set(found.splits) == {"train", "val"}
    assert found.positive.sum() == 19
    assert found.without_prediction == []


def test_patients_of_another_column(tmp_path: Path) -> None:
    table = labels(tmp_path, [("a.png", "tb", "7"), ("b.png", "health", "")], "image,label,person")
    path = predictions(tmp_path, image("a.png"), image("b.png"))
    assert read_labeled_predictions(path, table).patients == [None, None]
    assert read_labeled_predictions(path, table, patient_column="person").patients == ["7", None]
    with pytest.raises(ValueError, match="no column mrn; name the column"):
        read_labeled_predictions(path, table, patient_column="mrn")


def test_several_input_kinds_have_to_be_chosen_from(tmp_path: Path) -> None:
    rows = image("a.png"), image("b.png"), image("c.png", source_format="dicom"), refused("d.png")
    path, table = predictions(tmp_path, *rows), labels(tmp_path)
    with pytest.raises(ValueError, match=r"several input kinds \(2 picture, 1 dicom\).*--input_kind mixed"):
        read_labeled_predictions(path, table)
    dicom = read_labeled_predictions(path, table, "dicom")
    assert (dicom.names, dicom.input_kind) == (["c.png", "d.png"], "dicom")
    mixed = read_labeled_predictions(path, table, "mixed")
    assert (len(mixed.names), mixed.input_kind) == (4, "mixed")
    with pytest.raises(ValueError, match="no scored image of kind converted"):
        read_labeled_predictions(path, table, "converted")


def test_images_of_unknown_format_have_to_be_named(tmp_path: Path) -> None:
    path, table = predictions(tmp_path, image("a.png", source_format=""), image("b.png")), labels(tmp_path)
    with pytest.raises(ValueError, match="without a known source_format; say what they are"):
        read_labeled_predictions(path, table)
    assert len(read_labeled_predictions(path, table, "picture").names) == 2


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([image("a.png"), image("b.png", model_version="v2")], r"several model versions or of none \(v1; v2\)"),
        ([image("a.png", model_version="")], r"or of none \(none\)"),
        ([image("a.png"), image("a.png")], "several rows are of the image 'a.png'"),
        ([image("a.png", "")], "is done and scores ''; expected 0-100"),
        ([image("a.png", 140)], "scores '140'; expected 0-100"),
        ([image("a.png", "nan")], "scores 'nan'; expected 0-100"),
        ([image("z.png")], "No image of .* has a label .*first image 'z.png', first label 'a.png'"),
        ([refused("a.png")], "none of 1 images has a score"),
        ([refused("a.png"), image("z.png")], "none of 1 labeled images has a score"),
        ([], "run inference first"),
    ],
)
def test_what_cannot_be_calibrated(tmp_path: Path, rows: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_labeled_predictions(predictions(tmp_path, *rows), labels(tmp_path))


def test_files_that_are_something_else(tmp_path: Path) -> None:
    table, path = labels(tmp_path), predictions(tmp_path, image("a.png"))
    with pytest.raises(ValueError, match="no column name and status and score_0_100 and model_version"):
        read_labeled_predictions(table, table)
    with pytest.raises(ValueError, match="cannot be read as a UTF-8 CSV file"):
        read_labeled_predictions(tmp_path / "none.csv", table)
    with pytest.raises(DatalistError, match="there is no such"):
        read_labeled_predictions(path, tmp_path / "none")
    with pytest.raises(ValueError, match="twice, as tb and as health; keep one"):
        twice = labels(tmp_path, [("a.png", "tb", ""), ("a.png", "normal", "")])
        read_labeled_predictions(path, twice)


def test_names_that_a_spreadsheet_would_run_are_joined(tmp_path: Path) -> None:
    names = ["=1+1.png", "+1-2.png", "@SUM(1).png"]
    path = predictions(tmp_path, *(image(f"'{name}") for name in names))  # as the table is written
    rows = [(names[0], "tb", ""), (names[1], "normal", ""), (f"'{names[2]}", "normal", "")]  # the last copied from it
    found = read_labeled_predictions(path, labels(tmp_path, rows))
    assert found.positive.tolist() == [True, False, False]
    assert found.without_label == found.without_prediction == []
