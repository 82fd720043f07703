"""Runs of a bundle's configs, as a checker of anyone's bundle reports them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_tbkd.packaging.bundle_runs import run_configs

pytestmark = pytest.mark.system


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


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            "$os.kill(os.getpid(), 11) if os.environ['RANK'] == '1' else torch.distributed.barrier()",
            "process 1 ended with exit code -11",
        ),
        ("$open('models/model.pt')", "FileNotFoundError:"),
    ],
    ids=["a signal", "an exception"],
)
def test_what_broke_one_of_several_processes_is_said(tmp_path: Path, step: str, said: str) -> None:
    configs = tmp_path / "bundle" / "configs"
    configs.mkdir(parents=True)
    begin = "$torch.distributed.init_process_group('gloo')"
    content = {"imports": ["$import os", "$import torch"], "run": [begin, step]}
    (configs / "train.json").write_text(json.dumps(content))
    runs = [{"configs": ["train"], "overrides": {}, "processes": 2}]
    (found,) = run_configs(tmp_path / "bundle", runs, {"train": ["train"]}, tmp_path / "work")
    assert found.level == "error"
    assert said in found.text
