"""8-bit files give the same maps on a processor with AVX2 and neither AVX-512 nor VNNI, emulated by QEMU.

Neither onnxruntime nor OpenVINO has a switch that takes instructions away; qemu-x86_64 runs the same programs on a
processor that lacks them.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")
pytest.importorskip("openvino", reason="the extra export is not installed")

from monai_tbkd.backends.exported_net import open_network  # noqa: E402
from monai_tbkd.backends.int8_quantization import WEIGHT_BITS  # noqa: E402
from tests.backends.int8_networks import made_ready, noise, small_net  # noqa: E402

RUN = """
import sys
import numpy as np
runtime, model, images, out = sys.argv[1:]
images = np.load(images)
if runtime == "onnxruntime":
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    maps = session.run(["map"], {"image": images})[0]
else:
    sys.modules["openvino_telemetry"] = None
    import openvino
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    maps = openvino.Core().compile_model(model, "CPU", settings)([images])[0]
np.save(out, maps)
"""


def written(tmp_path: Path) -> Path:
    return made_ready(small_net()).write(tmp_path / "model.onnx")


def change_on_a_narrow_processor(model: Path, runtime: str) -> float:
    """Root mean square of the maps' change, of their standard deviation."""
    if platform.machine() != "x86_64" or shutil.which("qemu-x86_64") is None:
        pytest.skip("there is no qemu-x86_64 (Debian package qemu-user), or this is no x86-64 processor")
    images = torch.stack(noise(3, seed=1))
    folder = model.parent
    np.save(folder / "images.npy", images.numpy())
    (folder / "run.py").write_text(RUN)
    words = [sys.executable, str(folder / "run.py"), runtime, str(model), str(folder / "images.npy")]
    narrow = folder / "narrow.npy"
    subprocess.run(
        ["qemu-x86_64", "-cpu", "Haswell", *words, str(narrow)], check=True, capture_output=True, timeout=240
    )
    here = open_network(model, runtime)(images).numpy()
    change: NDArray[Any] = np.load(narrow) - here
    return float(np.sqrt((change**2).mean()) / here.std())


@pytest.mark.system
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_maps_are_those_of_other_processors(runtime: str, tmp_path: Path) -> None:
    assert change_on_a_narrow_processor(written(tmp_path), runtime) < 1e-3


@pytest.mark.system
def test_with_weights_of_8_bits_they_would_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from onnxruntime.quantization import qdq_quantizer

    original = qdq_quantizer.QDQQuantizer
    full = lambda *args, **given: original(*args, **(given | {"reduce_range": False}))  # noqa: E731
    monkeypatch.setattr(qdq_quantizer, "QDQQuantizer", full)
    if "avx512_vnni" not in Path("/proc/cpuinfo").read_text() and "avx_vnni" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no VNNI instructions either")
    assert change_on_a_narrow_processor(written(tmp_path), "onnxruntime") > 0.05


def test_no_sum_of_two_products_leaves_16_bits(tmp_path: Path) -> None:
    model = onnx.load(written(tmp_path))
    weights = [onnx.numpy_helper.to_array(entry) for entry in model.graph.initializer]
    largest = max(int(np.abs(each.astype(int)).max()) for each in weights if each.dtype == np.int8 and each.ndim == 4)
    assert largest == 2 ** (WEIGHT_BITS - 1)
    assert 2 * 255 * largest < 2**15
