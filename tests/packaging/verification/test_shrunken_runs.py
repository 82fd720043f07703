"""Runs of a bundle's configs, as a checker of anyone's bundle reports them."""

from __future__ import annotations

import json
from pathlib import Path

from monai_tbkd.packaging.verification.shrunken_runs import run_configs


def test_what_broke_a_run_is_said_and_not_where_it_ended(tmp_path: Path) -> None:
    configs = tmp_path / "bundle" / "configs"
    configs.mkdir(parents=True)
    content = {"weights": "$open('models/model.pt')", "run": ["$@weights.read()"]}
    (configs / "inference.json").write_text(json.dumps(content))
    runs = [{"configs": ["inference"], "overrides": {}}]
    (found,) = run_configs(tmp_path / "bundle", runs, {"inference": ["inference"]}, tmp_path / "work")
    assert found.level == "error"
    assert "ended with status 1: FileNotFoundError:" in found.text
    assert "models/model.pt" in found.text
