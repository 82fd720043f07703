from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_tbkd.data.lists.lesion_polygons import read_polygons
from tests.data.conftest import refused

TRIANGLE = {"name": "polygon", "all_points_x": [0, 4, 0], "all_points_y": [0, 0, 4]}


def region(shape: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes}


@pytest.mark.parametrize("project", [True, False])
@pytest.mark.parametrize("form", [list, lambda regions: {str(i): each for i, each in enumerate(regions)}])
def test_projects_and_exports(tmp_path: Path, project: bool, form: Any) -> None:
    regions = [
        region(TRIANGLE, Cavity="good"),
        region({"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}, finding="Linear_Density"),
        region({"name": "circle", "cx": 5, "cy": 5, "r": 2}, finding={"Miliary": True}),
        region({"name": "point", "cx": 1, "cy": 1}),
        region({"name": "polyline", "all_points_x": [0, 1], "all_points_y": [0, 1]}),
    ]
    images = {"a.png9": {"filename": "a.png", "size": 9, "regions": form(regions)}}
    path = tmp_path / "via.json"
    path.write_text(json.dumps({"_via_img_metadata": images, "_via_settings": {}} if project else images))
    (triangle, rectangle, circle), found = read_polygons(path)["a.png"], list(read_polygons(path))
    assert found == ["a.png"]
    assert triangle == ("Cavity", [[0, 0], [4, 0], [0, 4]])
    assert rectangle == ("Linear_Density", [[1, 2], [4, 2], [4, 6], [1, 6]])
    assert circle[0] == "Miliary"
    assert all((x - 5) ** 2 + (y - 5) ** 2 == pytest.approx(4) for x, y in circle[1])


def test_own_form(tmp_path: Path) -> None:
    path = tmp_path / "lesions.json"
    path.write_text('{"a.png": {"regions": [{"label": "Cavity", "points": [[0, 0], [4, 0], [0, 4]]}]}}')
    assert read_polygons(path) == {"a.png": [("Cavity", [[0, 0], [4, 0], [0, 4]])]}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"a.png": 3}',
        '{"a.png": {"regions": [{"shape_attributes": {"name": "cloud"}}]}}',
        '{"a.png": {"regions": [{"points": [[0, 0], [1, NaN], [2, 2]]}]}}',
        '{"a.png": {"regions": [{"points": [[0, 0, 1]]}]}}',
    ],
)
def test_other_files_are_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "lesions.json"
    path.write_text(content)
    refused(r"lesions.json: no outlines of lesions as VIA writes them", read_polygons, path)
