from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_tbkd.data.files.csv_cells import csv_line
from monai_tbkd.data.lists.saved_maps import SavedMaps, find_saved_maps, read_saved_maps, read_saved_scores

NAMES = ["tb/a.png", "tb/b.png", "health/c.png"]
SIZES = {"tb/a.png": (40, 20), "tb/b.png": (40, 20), "health/c.png": (30, 30)}


def saved(folder: Path, make: Callable[[int, tuple[int, int]], np.ndarray], scale: str = "none") -> SavedMaps:
    for i, name in enumerate(NAMES):
        path = folder / f"{name}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, make(i, SIZES[name]))
    return read_saved_maps(find_saved_maps(folder, NAMES), NAMES, 8, scale, SIZES)


def ramp(i: int, size: tuple[int, int]) -> np.ndarray:
    return np.linspace(0, 0.5 + 0.1 * i, size[0] * size[1], dtype=np.float32).reshape(size)


def test_maps_that_tell_something_are_not_doubted(tmp_path: Path) -> None:
    read = saved(tmp_path, ramp)
    assert (read.files, read.flat, read.warnings) == (3, 0, [])
    np.testing.assert_allclose(read.peaks, [0.5, 0.6, 0.7])
    read = saved(tmp_path, lambda i, size: ramp(i, size) * (i > 0))  # nothing on one image is usual
    assert (read.flat, read.warnings) == (1, [])


@pytest.mark.parametrize(("value", "scale"), [(0.0, "none"), (0.0, "image"), (0.7, "none"), (-3.0, "all")])
def test_maps_without_a_place_are_said(value: float, scale: str, tmp_path: Path) -> None:
    read = saved(tmp_path, lambda i, size: np.full(size, value), scale)
    assert read.flat == 3
    assert read.warnings == ["all 3 maps are of one value each, so that no place stands out on any image."]


def test_the_same_map_for_all_images_is_said(tmp_path: Path) -> None:
    read = saved(tmp_path, lambda i, size: ramp(0, (8, 8)))
    assert read.warnings == ["all 3 maps are the same, whatever the image."]


def test_maps_that_lie_on_their_side_are_said(tmp_path: Path) -> None:
    read = saved(tmp_path, lambda i, size: ramp(i, size).T)
    assert read.warnings == [
        "2 of 3 maps have a row for each column of their image; expected (rows, columns): transpose them."
    ]


def test_a_folder_without_any_map_that_was_asked_for_is_refused(tmp_path: Path) -> None:
    message = r"no map of any of the 3 images asked for; found no \.npy file; the map of tb/a\.png is tb/a\.npy"
    with pytest.raises(ValueError, match=message):
        find_saved_maps(tmp_path, NAMES)
    np.save(tmp_path / "a_cam.npy", np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"asked for; found 1: a_cam\.npy"):
        find_saved_maps(tmp_path, NAMES, unknown=True)


@pytest.mark.parametrize("file", ["=1.png.npy", "'=1.png.npy", "=1.npy", "'=1.npy"])
def test_a_map_goes_by_the_name_of_its_image_or_by_that_in_a_table(file: str, tmp_path: Path) -> None:
    np.save(tmp_path / file, np.zeros((2, 2)))
    assert find_saved_maps(tmp_path, ["=1.png", "b.png"]) == {"=1.png": tmp_path / file}


def table(folder: Path, *lines: str) -> Path:
    path = folder / "scores.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_scores_and_percent_are_read_by_their_column(tmp_path: Path) -> None:
    assert read_saved_scores(table(tmp_path, "name,score", "a,0.25", "b,")) == {"a": 0.25}
    assert read_saved_scores(table(tmp_path, "score_0_100,name", "25,a")) == {"a": 0.25}


def test_names_that_a_spreadsheet_would_run_are_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(csv_line(["name", "score"]) + csv_line(["=1+1.png", 0.5]) + "+1-2.png,0.25\n")
    assert read_saved_scores(path) == {"=1+1.png": 0.5, "+1-2.png": 0.25}


def test_percent_in_the_column_of_shares_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 3: score is '83'; expected 0 to 1\. Name the column .* score_0_100"):
        read_saved_scores(table(tmp_path, "name,score", "a,0.9", "b,83"))


@pytest.mark.parametrize("text", ["0,5", "high", "nan", "-1", "1e9"])
def test_what_is_no_score_is_named(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"scores\.csv, line 2: score is .*expected 0 to 1\.$"):
        read_saved_scores(table(tmp_path, "name,score", f'a,"{text}"'))
