"""The same rows whatever runs the network, and files that are not taken for what they are not."""

from __future__ import annotations

import gc
import json
import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_tbkd.__main__ import main
from monai_tbkd.backends import (
    ExportedNet,
    ImageInputNet,
    agreement,
    export_network,
    exported_net,
    exported_record,
    runtime_network,
    runtime_version,
)
from monai_tbkd.backends.exported_net import SUFFIXES, read_record
from monai_tbkd.backends.runtime import Bfloat16Net
from monai_tbkd.commands import export as export_command
from monai_tbkd.networks import ActivationMapNet, SymmetricMapNet, model_version
from tests.conftest import SMALL_NETWORK, SMALL_RECIPE, run_bundle

pytest.importorskip("onnxruntime", reason="the extra export is not installed")
pytest.importorskip("monai_tbkd.backends.exported_net").load_openvino()

END = {kind: end for end, kind in SUFFIXES.items()}


def export(trained: Path, kind: str, output: Path, *more: str) -> Path:
    """The trained phantom model through the command."""
    checkpoint = trained / "models" / "model.pt"
    given = ["--checkpoint", str(checkpoint), "--output", str(output), "--recipe", str(SMALL_RECIPE)]
    assert main(["export", "--format", kind, *given, *more]) in ((0, 1) if "--keep_float32" in more else (0,))
    return output


@pytest.fixture(scope="module")
def exported(trained: Path, phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model in every format, and int8."""
    folder = tmp_path_factory.mktemp("exported")
    for kind, end in END.items():
        export(trained, kind, folder / f"model{end}")
    for kind in ("onnx", "openvino"):
        images = ("--int8", "--images", str(phantoms / "imgs"), "--number", "15", "--keep_float32", "stem")
        export(trained, kind, folder / f"model.int8{END[kind]}", *images)
    return folder


def infer(images: Path, out: Path, **settings: Any) -> list[dict[str, Any]]:
    run_bundle(["inference"], dataset_dir=str(images), output_dir=str(out), draw_overlays=False, **settings)
    rows: list[dict[str, Any]] = json.loads((out / "predictions.json").read_text())["images"]
    return rows


@pytest.fixture(scope="module")
def images(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few images, one of them broken."""
    folder = tmp_path_factory.mktemp("images")
    for image in sorted((phantoms / "imgs" / "tb").glob("*.png"))[:4]:
        (folder / image.name).write_bytes(image.read_bytes())
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return folder


@pytest.fixture(scope="module")
def torch_rows(trained: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    out = tmp_path_factory.mktemp("torch")
    return infer(images, out, ckpt_dir=str(trained / "models"), score_threshold=0.0)


RUNS = [("onnxruntime", ".onnx"), ("openvino", ".xml"), ("openvino", ".onnx"), ("torchscript", ".ts")]


@pytest.mark.parametrize(("backend", "end"), RUNS)
def test_every_backend_gives_the_rows_of_torch(
    backend: str, end: str, exported: Path, images: Path, torch_rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows = infer(
        images,
        tmp_path,
        ckpt_dir=str(tmp_path / "no checkpoint is needed"),
        backend=backend,
        exported_model=str(exported / f"model{end}"),
        score_threshold=0.0,
        num_workers=1,  # placeholders of broken images collate with 8-bit images across processes
    )
    assert [row["status"] for row in rows] == ["failed", "done", "done", "done", "done"]
    assert sum(len(row["boxes"] or []) for row in rows) > 0
    for row, expected in zip(rows, torch_rows, strict=True):
        assert row["score_0_100"] == pytest.approx(expected["score_0_100"], abs=0.011)  # rounded to two digits
        assert (row["boxes"] is None) == (expected["boxes"] is None)
        for box, other in zip(row["boxes"] or [], expected["boxes"] or [], strict=True):
            assert box == pytest.approx(other, abs=1e-3)
        same = set(row) - {"seconds", "score_0_100", "boxes"}
        assert {key: row[key] for key in same} == {key: expected[key] for key in same}


@pytest.mark.parametrize(("backend", "end"), [("onnxruntime", ".onnx"), ("openvino", ".xml")])
def test_int8_is_a_model_of_its_own_near_the_other(
    backend: str, end: str, exported: Path, images: Path, torch_rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    model = exported / f"model.int8{end}"
    rows = infer(images, tmp_path, backend=backend, exported_model=str(model), score_threshold=0.0)
    assert read_record(model)["precision"] == "int8"
    calibration = read_record(model)["calibration"]
    assert calibration == {"images": 12, "checked": 3, "float32": ["stem"]}
    assert read_record(model)["weight_bits"] == 7
    changes = []
    for row, expected in zip(rows, torch_rows, strict=True):
        if row["status"] == "done":
            assert row["model_version"] == expected["model_version"] + " int8"
            changes.append(abs(row["score_0_100"] - expected["score_0_100"]))
    assert max(changes) < 5
    noise = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    exact = ExportedNet(exported / f"model{end}")(noise)
    assert 1e-3 < float((ExportedNet(model)(noise) - exact).abs().max()) < 1.0


def test_blocks_that_stay_in_32_bits_are_searched_for(
    trained: Path, phantoms: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_command, "SMALLEST_IOU", 0.0)  # which the phantom model misses (0.94)
    monkeypatch.setattr(export_command, "LARGEST_CHANGE", 1.0)
    with caplog.at_level("INFO"):
        path = export(trained, "onnx", tmp_path / "model.onnx", "--int8", "--images", str(phantoms / "imgs"))
    kept = read_record(path)["calibration"]["float32"]
    taken = next(text for text in caplog.messages if text.startswith("Taken: "))
    assert all(name in taken for name in kept)
    assert [text for text in caplog.messages if text.startswith("all in 8 bits: ")]
    assert [text for text in caplog.messages if text.startswith("Against float32, on images that chose nothing: ")]


@pytest.mark.parametrize(("blocks", "status"), [((), 2), (("--keep_float32", "stem"), 1)])
def test_8_bits_that_lose_the_boxes_are_told_by_the_status(
    blocks: tuple[str, ...], status: int, trained: Path, phantoms: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(export_command, "SMALLEST_IOU", 1.01)
    given = ["--checkpoint", str(trained / "models" / "model.pt"), "--output", str(tmp_path / "model.onnx")]
    images = ["--int8", "--images", str(phantoms / "imgs"), "--number", "10", *blocks]
    assert main(["export", "--format", "onnx", "--recipe", str(SMALL_RECIPE), *given, *images]) == status
    assert "agreement" in (capsys.readouterr().err if status == 2 else caplog.text)
    assert (tmp_path / "model.onnx").exists() == (status == 1)


def test_thresholds_come_out_of_the_file(trained: Path, exported: Path, images: Path, tmp_path: Path) -> None:
    point = json.loads((trained / "models" / "operating_point.json").read_text())
    row = infer(images, tmp_path, backend="onnxruntime", exported_model=str(exported / "model.onnx"))[1]
    assert row["threshold_0_100"] == pytest.approx(100 * point["score_threshold"], abs=0.01)
    assert row["threshold_id"] == f"evaluate: {point['chosen_on']}"
    assert row["model_version"] == model_version(trained / "models" / "model.pt")


def test_a_file_is_found_beside_checkpoints_by_its_format(exported: Path) -> None:
    for backend, end in (("onnxruntime", ".onnx"), ("openvino", ".xml"), ("torchscript", ".ts")):
        record = exported_record(backend, None, exported)
        assert record is not None
        assert record["path"] == str(exported / f"model{end}")
    assert exported_record("torch", None, exported) is None
    assert runtime_version(exported / "none.pt", None).endswith("untrained")


def small_net(**changes: Any) -> ActivationMapNet:
    return ActivationMapNet(num_classes=1, **{**SMALL_NETWORK, **changes}).eval()


def test_a_file_of_another_network_size_or_pooling_is_refused(exported: Path) -> None:
    record = exported_record("onnxruntime", None, exported)
    with pytest.raises(ValueError, match=r"another architecture: width 0\.125"):
        runtime_network("onnxruntime", small_net(width=0.25), "cpu", record)
    with pytest.raises(ValueError, match="image_size 64"):
        runtime_network("onnxruntime", small_net(), "cpu", record, image_size=512)
    with pytest.raises(ValueError, match="pooling 'LogSumExpMapPool"):
        runtime_network("onnxruntime", small_net(), "cpu", record, pooling="AverageMapPool()")


def test_what_is_no_exported_file_is_refused_in_a_sentence(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="export --format onnx"):
        exported_record("onnxruntime", None, tmp_path)
    for end in SUFFIXES:
        (tmp_path / f"junk{end}").write_bytes(b"junk")
        with pytest.raises(ValueError, match="does not say which model it holds"):
            read_record(tmp_path / f"junk{end}")
    with pytest.raises(ValueError, match=r"ends with \.onnx"):
        read_record(tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"onnxruntime does not read model\.xml"):
        ExportedNet(exported / "model.xml", "onnxruntime")
    with pytest.raises(ValueError, match="expected one of torch, onnxruntime, openvino, torchscript"):
        exported_record("tensorrt", None, exported)
    with pytest.raises(ValueError, match="expected float32"):
        ExportedNet(exported / "model.onnx", precision="bfloat16")
    plain = tmp_path / "plain.ts"
    torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.zeros(1)), str(plain))
    with pytest.raises(ValueError, match="does not say which model it holds"):
        read_record(plain)


def test_an_8_bit_file_of_version_0_1_is_told_of(
    exported: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = exported / "model.int8.onnx"
    record = read_record(path)
    ExportedNet(path)
    assert not caplog.messages
    del record["weight_bits"]
    monkeypatch.setattr(exported_net, "read_record", lambda _: record)
    ExportedNet(path)
    assert "weights of 8 bits" in caplog.text


def test_images_have_to_come_in_8_bits(exported: Path) -> None:
    net = ExportedNet(exported / "model.onnx")
    assert net(torch.zeros(3, 1, 64, 64, dtype=torch.uint8)).shape == (3, 1, 8, 8)
    with pytest.raises(ValueError, match=r"expected .* uint8, not normalized"):
        net(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize(("runtime", "end"), [("onnxruntime", ".onnx"), ("openvino", ".xml")])
def test_a_worker_does_not_take_down_the_runtime_of_an_inference_that_is_over(
    runtime: str, end: str, exported: Path
) -> None:
    net = ExportedNet(exported / f"model{end}", runtime)
    net(torch.zeros(1, 1, 64, 64, dtype=torch.uint8))  # starts its threads
    circle: list[Any] = [net]
    circle.append(circle)
    gc.disable()
    try:
        del net, circle
        worker = multiprocessing.get_context("fork").Process(target=gc.collect)
        worker.start()
        worker.join(timeout=30)
        worker.kill()
    finally:
        gc.enable()
    assert worker.exitcode == 0


@pytest.mark.system
def test_a_signal_finds_its_stack_when_inferences_are_over(exported: Path) -> None:
    program = f"""
import faulthandler, gc, signal
from monai_tbkd.backends import ExportedNet
faulthandler.enable()  # an alternate signal stack, as programs have
calls = []
signal.signal(signal.SIGUSR1, lambda *_: calls.append(1))
first = ExportedNet({str(exported / "model.xml")!r})
second = ExportedNet({str(exported / "model.xml")!r})
del first
gc.collect()
del second
gc.collect()
signal.raise_signal(signal.SIGUSR1)
assert calls
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("options", [{"backbone": "resnet18", "width": 0.25}, {"backbone": "efficientnet_lite0"}])
@pytest.mark.parametrize("kind", ["onnx", "openvino", "torchscript"])
def test_a_network_that_mirrors_its_image_is_exported_as_it_is(
    kind: str, options: dict[str, Any], tmp_path: Path
) -> None:
    network = SymmetricMapNet(**options, components=8).eval()
    record = {"model_version": "none", "checkpoint_sha256": "0", "architecture": network.architecture,
              "image_size": 64, "pooling": "none"}  # fmt: skip
    path = tmp_path / f"model{END[kind]}"
    written = export_network(network, path, record, (64, 64))
    assert written["largest_difference"] < 1e-4
    images = torch.randint(0, 256, (3, 1, 64, 64), dtype=torch.uint8)  # another batch size than it was traced with
    with torch.no_grad():
        assert torch.allclose(ExportedNet(path)(images), ImageInputNet(network)(images), atol=1e-4)
    assert read_record(path)["architecture"] == network.architecture


def test_agreement_by_hand() -> None:
    square = torch.tensor([[0.0, 0.0, 4.0, 4.0]])
    two = torch.tensor([[0.0, 0.0, 4.0, 2.0], [0.0, 2.0, 4.0, 4.0]])
    nothing = torch.zeros(0, 4)
    found = agreement([(0.5, square), (0.2, square), (0.1, nothing)], [(0.6, two), (0.2, nothing), (0.1, nothing)])
    assert found.images == 3
    assert found.score_change == pytest.approx(0.1 / 3)
    assert found.largest_score_change == pytest.approx(0.1)
    assert found.boxes == 4  # three of the first image and one without a partner
    assert found.box_iou == pytest.approx((0.5 + 0.5 + 0.5 + 0.0) / 4)


@pytest.mark.parametrize(("has", "precision"), [(True, "bfloat16"), (False, "bfloat16"), (False, "float32")])
def test_bfloat16_without_instructions_is_warned_of(
    has: bool, precision: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has}, raising=False)
    runtime_network("torch", small_net(), "cpu", None, precision)
    assert ("no instructions" in caplog.text) is (precision == "bfloat16" and not has)


def test_bfloat16_is_near_and_gives_float32() -> None:
    net = small_net()
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact, rough = net(image), Bfloat16Net(net)(image)
    assert rough.dtype == torch.float32
    assert 0 < float((exact - rough).abs().max()) < 0.05 * float(exact.abs().max())


def test_export_says_what_is_missing(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", "--format", "onnx", "--checkpoint", str(trained / "models" / "model.pt")]
    assert main([*command, "--int8"]) == 2
    assert "--int8 needs --images" in capsys.readouterr().err
    assert main([*command, "--set", "image_sise=64"]) == 2
    assert "no config has image_sise; did you mean image_size" in capsys.readouterr().err
    assert main([*command, "--set", "image_size=96"]) == 2  # its record knows its own
    assert "image_size 64 (here 96)" in capsys.readouterr().err
    assert main([*command, "--output", str(tmp_path / "model.ts")]) == 2
    assert main([*command, "--recipe", "nothing"]) == 2
    assert "expected one of demo" in capsys.readouterr().err


@pytest.mark.system
def test_openvino_sends_nothing_home() -> None:
    program = (
        "import sys; from monai_tbkd.backends.exported_net import load_openvino; ov = load_openvino(); "
        "assert ov.Core().available_devices; "
        "print([name for name in sys.modules if name.startswith('openvino_telemetry.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
