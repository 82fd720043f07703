from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_tbkd.__main__ import main
from monai_tbkd.data.files.atomic_write import write_json
from monai_tbkd.engines.evaluation_result import evaluation_result
from monai_tbkd.metrics import Comparison
from monai_tbkd.report.image_table import FILE, read_image_table, write_image_table
from monai_tbkd.report.seed_summary import read_run, summarize_runs
from tests.metrics.test_comparison import GRID, images, perfect

pytestmark = pytest.mark.bundle  # whole evaluations, of maps made here
Runs = Callable[..., list[Path]]


@pytest.fixture(scope="module")
def runs_made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three evaluations of a student and a control, the control always worse."""
    folder = tmp_path_factory.mktemp("seeds")
    made = []
    test = [{**item, "patient_id": f"p{i // 3}", "image": "not_there"} for i, item in enumerate(images("r", 8, 2))]
    comparison = Comparison(images("t", 8, 0), images("s", 5, 1), test, grid=GRID, resamples=20)
    comparison.blind = {"blind_prior": comparison.blind["blind_prior"]}  # the other baselines are summed up alike
    for seed, noise in enumerate((0.1, 0.25, 0.35)):
        predictions = {
            name: {s: perfect(comparison.items[s], noise + more) for s in ("select", "test")}
            for name, more in (("control", 0.5), ("student", 0.0))
        }
        records = {
            name: {"sha256": f"{name}{seed}", "settings": {"epochs": 3, "teacher_sha256": str(seed)}}
            for name in predictions
        }
        where = folder / f"seed{seed}"
        write_json(
            where / "metrics.json",
            evaluation_result(comparison, predictions, {"version": "0", "seed": seed}, {}, records),
        )
        write_image_table(where / FILE, comparison.truth["test"], comparison.measured)
        made.append(where)
    return made


@pytest.fixture
def runs(runs_made: list[Path], tmp_path: Path) -> Runs:
    """The evaluations with one of them changed."""

    def change(number: int = 0, edit: Callable[[dict[str, Any]], Any] = lambda content: None) -> list[Path]:
        content = json.loads((runs_made[number] / "metrics.json").read_text())
        edit(content)
        where = tmp_path / f"changed{number}"
        write_json(where / "metrics.json", content)
        (where / FILE).write_text((runs_made[number] / FILE).read_text())
        return [where if i == number else each for i, each in enumerate(runs_made)]

    return change


def test_means_are_those_of_the_runs(runs_made: list[Path]) -> None:
    result = summarize_runs([read_run(each) for each in runs_made], resamples=200)
    alone = [json.loads((each / "metrics.json").read_text())["predictors"] for each in runs_made]
    for name in ("student", "control", "blind_prior"):
        row = result["predictors"][name]
        for metric in ("union_mask_miou", "pointing_game"):
            values = [rows[name][metric]["value"] for rows in alone]
            assert row[metric]["per_seed"] == pytest.approx(values, abs=2e-6)
            assert row[metric]["mean"] == pytest.approx(np.mean(values), abs=2e-6)
            assert row[metric]["sd"] == pytest.approx(np.std(values, ddof=1), abs=2e-6)
    student = result["predictors"]["student"]
    assert student["auc"]["per_seed"] == pytest.approx([rows["student"]["auc"]["value"] for rows in alone], abs=2e-6)
    minus = student["union_mask_miou_minus"]["control"]
    values = [rows["student"]["union_mask_miou_minus"]["control"]["value"] for rows in alone]
    assert minus["per_seed"] == pytest.approx(values, abs=2e-6)
    wide, narrow = student["union_mask_miou"]["over_seeds_and_images"], student["union_mask_miou"]["over_images"]
    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"]
    assert student["above_blind_prior"] and student["seeds_above_blind_prior"] == 3
    assert "above_blind_prior" not in result["predictors"]["blind_prior"]


def test_the_command_writes_table_json_and_page(
    runs_made: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["report", *map(str, runs_made), "--output_dir", str(tmp_path), "--bootstrap_resamples", "100"]
    assert main(given) == 0
    printed = capsys.readouterr().out
    assert "seeds 0, 1, 2" in printed and "3 of 3" in printed
    result = json.loads((tmp_path / "seeds.json").read_text())
    page = (tmp_path / "seeds.html").read_text(encoding="utf-8")
    assert "The student is <strong>above the blind prior</strong>" in page
    assert f"{result['predictors']['student']['union_mask_miou']['mean']:.3f}" in page
    assert "student minus control" in page and result["runs"][1]["metrics_sha256"] in page
    assert "esearch use only" in page and "http://www.w3.org" not in page.split("<svg")[0]
    assert main(["report", *map(str, runs_made)]) == 2
    assert "--output_dir" in capsys.readouterr().err


def test_a_table_of_images_comes_back_as_it_was_written(runs_made: list[Path]) -> None:
    table = read_image_table(runs_made[0] / FILE)
    assert len(table.names) == 16 and table.positive.sum() == 8
    assert table.patients is not None and len(set(table.patients)) == 6
    assert "p0" not in (runs_made[0] / FILE).read_text()  # patients by number alone
    assert set(table.numbers["student"]) == {"union_mask_iou", "box_union_iou", "pointing", "score"}
    assert set(table.numbers["blind_prior"]) == {"union_mask_iou", "box_union_iou", "pointing"}
    assert np.isnan(table.numbers["student"]["union_mask_iou"]).sum() == 8  # images without TB


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c["provenance"]["splits_sha256"].update(test="0"), "other reported images"),
        (lambda c: c["provenance"]["splits_sha256"].update(select="0"), "other selection images"),
        (lambda c: c["provenance"]["evaluation"].update(grid=7), r"settings of the evaluation \(1: grid\)"),
        (lambda c: c["checkpoints"]["student"]["settings"].update(epochs=4), r"settings of the student \(1: epochs\)"),
        (lambda c: c["checkpoints"]["student"].update(sha256="student0"), "have the same student"),
    ],
)
def test_runs_that_differ_in_more_than_their_seed_are_refused(runs: Runs, edit: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        summarize_runs([read_run(each) for each in runs(1, edit)])


def test_what_is_no_run_is_said(runs_made: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least two seeds"):
        summarize_runs([read_run(runs_made[0])])
    with pytest.raises(ValueError, match=r"metrics\.json: not what an evaluation"):
        read_run(tmp_path)
    write_json(tmp_path / "metrics.json", json.loads((runs_made[0] / "metrics.json").read_text()))
    with pytest.raises(ValueError, match=r"images\.csv: not a table of images"):
        read_run(tmp_path)


def test_images_of_another_order_are_refused(runs_made: list[Path]) -> None:
    first, second = (read_run(each) for each in runs_made[:2])
    other = copy.deepcopy(second)
    other.images.names.reverse()
    with pytest.raises(ValueError, match=r"other images in images.csv"):
        summarize_runs([first, other])


def test_predictions_of_a_network_without_scores_have_no_auc(runs_made: list[Path]) -> None:
    pair = [read_run(each) for each in runs_made[:2]]
    for run in pair:
        del run.images.numbers["student"]["score"]
    result = summarize_runs(pair, resamples=20)
    assert result["predictors"]["student"]["auc"] is None
    assert "auc_minus" not in result["predictors"]["student"]
