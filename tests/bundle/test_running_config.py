from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from monai_tbkd.bundle import bundle_files
from monai_tbkd.bundle.plain_errors import plain_cause


def training(*more: str, **given: Any) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([str(bundle_files() / "configs" / f"{name}.yaml") for name in ("train", *more)])
    parser.update({"dataset_dir": "nowhere", **given})
    return parser


def settings(parser: ConfigParser) -> dict[str, Any]:
    parser["own"] = "$monai_tbkd.bundle.config_settings()"
    return parser.get_parsed_content("own")  # type: ignore[no-any-return]


def test_settings_of_the_preprocessing_count_whether_given_or_not() -> None:
    own = settings(training(stage="teacher"))
    assert (own["whole_image_size"], own["min_age"], own["lung_weights"]) == (512, 15, None)
    assert settings(training(stage="teacher", whole_image_size=256)) == {**own, "whole_image_size": 256}
    assert settings(training(stage="teacher", picture_size=100)) == own


def test_several_processes_have_the_settings_of_one() -> None:
    own = settings(training(stage="teacher", progress_bar=False))
    assert settings(training("multi_gpu_train", stage="teacher", progress_bar=False)) == own


def test_an_unknown_stage_is_refused_before_anything_else(tmp_path: Path) -> None:
    parser = training(stage="studnet", features_dir=str(tmp_path / "features"))
    with pytest.raises(Exception) as caught:
        parser.get_parsed_content("run")
    assert "stage is 'studnet'; expected teacher, student, control" in str(plain_cause(caught.value))
