"""The multi_gpu configs by torchrun, on two processes of a CPU, against one process; and parts of a large inference."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_tbkd.__main__ import main
from monai_tbkd.networks import read_state_dict
from tests.bundle.inference_process import environment, overrides, rows_of, run_inference
from tests.conftest import config_files, run_bundle
from tests.data.images_by_hand import noise_png
from tests.processes import run_ranks

pytestmark = pytest.mark.system

TOLERANCE = 1e-6
"""Between weights of one and of two processes, after the steps of two epochs; gradients are summed in another order."""


def words_of(configs: list[str], **given: Any) -> list[str]:
    words = ["-m", "monai.bundle", "run", "--config_file", str(config_files(*configs))]
    return [*words, *(word for key, value in given.items() for word in (f"--{key}", str(value)))]


def torchrun_command(configs: list[str], processes: int, **given: Any) -> list[str]:
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone"]
    return [*command, f"--nproc_per_node={processes}", *words_of(configs, **given)]


def run(configs: list[str], processes: int, scratch: Path, **given: Any) -> str:
    """Run as so many processes, with the environment that torchrun gives to each; what they wrote."""
    done = run_ranks(words_of(configs, **given), scratch, environment(scratch), processes)
    assert done.status == 0, done.text[-6000:]
    return done.text


def test_evaluation_writes_what_one_process_writes(trained: Path, phantoms: Path, tmp_path: Path) -> None:
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(trained / "models")}
    given = {
        name: dict(**where, output_dir=str(tmp_path / name), operating_point=str(tmp_path / f"{name}.json"))
        for name in ("one", "two")
    }
    run(["train", "evaluate", "multi_gpu_evaluate"], 2, tmp_path, **given["two"])
    run(["train", "evaluate"], 1, tmp_path, **given["one"])
    for name in ("metrics.json", "images.csv"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()
    assert len(list((tmp_path / "two" / "comparison").iterdir())) == 4


def test_training_gives_the_weights_of_one_process_and_writes_once(phantoms: Path, tmp_path: Path) -> None:
    # Batch statistics would be those of half a batch; random changes would be others in each process.
    given = {"network_def::frozen_statistics": True, "val_interval": 2}
    given |= {f"train::random_transforms::{step}::prob": 0.0 for step in (2, 3, 4)}
    states = []
    for processes in (1, 2):
        where = {"ckpt_dir": tmp_path / f"models_{processes}", "output_dir": tmp_path / f"out_{processes}"}
        text = run(["train", "multi_gpu_train"], processes, tmp_path, dataset_dir=phantoms, **where, **given)
        assert text.count("Finished: ") == 2  # teacher and student, once each
        files = {path.name for path in (tmp_path / f"models_{processes}").iterdir()}
        assert files == {"teacher.pt", "teacher.json", "model.pt", "model.json"}
        for stage in ("teacher", "student"):
            assert len(list((tmp_path / f"out_{processes}" / "tensorboard" / stage).iterdir())) == 1
        states.append({name: read_state_dict(where["ckpt_dir"] / f"{name}.pt") for name in ("teacher", "model")})
    records = [json.loads((tmp_path / f"models_{n}" / "teacher.json").read_text()) for n in (1, 2)]
    assert records[0]["settings"] == records[1]["settings"]
    assert json.loads(records[0]["settings"]["network_def"])["frozen_statistics"] is True
    for name in ("teacher", "model"):
        one, two = (state[name] for state in states)
        assert list(one) == list(two)  # nothing of a wrapper in the names
        off = max(float((one[key].float() - two[key].float()).abs().max()) for key in one)
        assert off <= TOLERANCE, (name, off)
    assert not torch.equal(states[0]["teacher"]["head.weight"], states[0]["model"]["head.weight"])


def test_a_batch_that_cannot_be_shared_is_named(phantoms: Path, tmp_path: Path) -> None:
    given = {"dataset_dir": phantoms, "ckpt_dir": tmp_path / "m", "output_dir": tmp_path / "o", "batch_size": 7}
    with pytest.raises(AssertionError, match="batch_size is 7 and there are 2 processes"):
        run(["train", "multi_gpu_train"], 2, tmp_path, **given)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gray noise; two images whose pictures are named alike; a damaged one."""
    folder = tmp_path_factory.mktemp("processes") / "images"
    for number in range(1, 40):
        noise_png(folder / f"image {number}.png", side=64, seed=number)
    (folder / "a").mkdir()
    shutil.copy(folder / "image 1.png", folder / "a" / "b.png")
    shutil.copy(folder / "image 2.png", folder / "a_b.png")
    (folder / "image 9 cut.png").write_bytes((folder / "image 9.png").read_bytes()[:500])
    return folder


@pytest.fixture(scope="module")
def alone(images: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process writes."""
    out = tmp_path_factory.mktemp("alone") / "out"
    assert run_inference(images, out, trained / "models", num_workers=0).status == 3  # with one thread, as below
    return out


def without_seconds(out: Path) -> tuple[list[dict[str, str]], Any]:
    content = json.loads((out / "predictions.json").read_text())
    for image in content["images"]:
        del image["seconds"]
    return [{**row, "seconds": ""} for row in rows_of(out)], content


def pictures(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "overlays").iterdir()}


def test_inference_killed_and_gone_on_with_gives_the_rows_and_boxes_of_one_process(
    images: Path, trained: Path, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given = overrides(images, out, trained / "models", num_workers=0, resume="true")
    del given["device"]
    command = torchrun_command(["inference", "multi_gpu_inference"], 2, **given)
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 120
    tables = [out / "parts" / str(rank) / "predictions.csv" for rank in (0, 1)]
    while time.monotonic() < end and process.poll() is None:
        if all(table.is_file() and table.read_bytes().count(b"\n") > 3 for table in tables):
            break
        time.sleep(0.01)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    for pid in [process.pid, *map(int, children)]:
        subprocess.run(["kill", f"-{int(signal.SIGKILL)}", str(pid)], check=False)
    process.wait()
    done = sum(table.read_bytes().count(b"\n") - 1 for table in tables)
    assert 6 <= done < 42
    # the damaged image makes the status other than 0, which is torchrun's to choose
    finished = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path), text=True, timeout=300, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert finished.returncode != 0
    assert "42 images: 41 scored" in finished.stdout, finished.stdout[-3000:]
    assert without_seconds(out) == without_seconds(alone)
    assert pictures(out) == pictures(alone)
    assert not (out / "parts").exists()
    with (out / "predictions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 42


def test_parts_of_machines_that_know_nothing_of_each_other(
    images: Path, trained: Path, alone: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    given = overrides(images, out, trained / "models", num_workers=0)
    for part in (2, 1):
        run_bundle(["inference"], **given, shard=f"{part}/3")
    with pytest.raises(SystemExit):
        main(["merge_predictions"])
    assert main(["merge_predictions", str(out)]) == 2  # the third part is missing
    run_bundle(["inference"], **given, shard="3/3")
    run_bundle(["inference"], **given, shard="3/3", resume=True)  # each resumes alone
    assert main(["merge_predictions", str(out)]) == 3  # the damaged image
    assert "have no row" not in caplog.text
    assert without_seconds(out) == without_seconds(alone)
    assert set(pictures(out)) == set(pictures(alone))
    noise_png(images.parent / "more" / "x.png", side=64, seed=1)
    shutil.move(images.parent / "more" / "x.png", images / "x.png")
    try:
        main(["merge_predictions", str(out)])
        assert "1 images have no row (first: x.png)" in caplog.text
    finally:
        (images / "x.png").unlink()
    other = json.loads((out / "shard_1_of_3" / "predictions.json").read_text())
    other["settings"]["grid"] = 32
    (out / "shard_1_of_3" / "predictions.json").write_text(json.dumps(other))
    assert main(["merge_predictions", str(out)]) == 2
