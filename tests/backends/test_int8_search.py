"""The fewest blocks that have to stay in 32 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

pytest.importorskip("onnxruntime", reason="the extra export is not installed")

from monai_tbkd.backends import Agreement, int8_quantization
from monai_tbkd.backends.int8_quantization import Int8Network, block_errors, order_of, search
from tests.backends.int8_networks import made_ready, noise, small_net

pytestmark = pytest.mark.bundle  # whole networks are exported and run

BLOCKS = ["stem", "layer1.0", "layer1.1", "layer2.0", "layer2.1"]


@pytest.fixture(scope="module")
def made() -> Int8Network:
    return made_ready(small_net())


def test_the_block_that_is_hard_for_8_bits_is_found() -> None:
    network = small_net()
    with torch.no_grad():  # a channel that drowns the others, and that all weights read alike
        network.backbone.layer2[1].bn1.weight[0] *= 1e3
        network.backbone.layer2[1].conv2.weight[:, 0] *= 0.0
        network.backbone.layer2[1].conv2.weight[:, 0, 1, 1] += 1.0
    made = made_ready(network)
    errors = block_errors(made, noise(2), "onnxruntime")
    assert list(errors) == BLOCKS
    assert max(errors, key=lambda name: errors[name]) == "layer2.1"


def test_order_is_by_error_for_the_work(made: Int8Network) -> None:
    errors = dict.fromkeys(BLOCKS, 1.0)
    assert order_of(made, errors)[-1] == max(BLOCKS, key=lambda name: made.blocks[name].work)
    assert order_of(made, {**errors, "layer2.0": 1e6})[0] == "layer2.0"


def judged_by(made: Int8Network, needed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Callable[..., Any], list[int]]:
    """A judge for whom the first so many blocks have to stay in 32 bits; and how many stayed in those it saw."""
    seen: list[int] = []
    write = Int8Network.write

    def noted(self: Int8Network, target: Any, keep: Any = ()) -> Any:
        seen.append(len(keep))
        return write(self, target, keep)

    monkeypatch.setattr(Int8Network, "write", noted)

    def judge(maps_of: Any) -> tuple[Agreement, bool]:
        assert maps_of(noise(1)[0][None]).shape == (1, 1, 8, 8)
        iou = 0.9 + 0.01 * seen[-1]
        return Agreement(1, 0.0, 0.0, 2, iou), seen[-1] >= needed

    return judge, seen


@pytest.mark.parametrize("needed", [0, 1, 2, 3, 4, 5])
def test_the_fewest_blocks_that_agree_are_taken(
    needed: int, made: Int8Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8_quantization, "LARGEST_FRACTION", 1.0)
    judge, seen = judged_by(made, needed, monkeypatch)
    taken = search(made, BLOCKS, judge, "onnxruntime")
    assert taken.keep == tuple(BLOCKS[:needed])
    assert taken.agrees
    assert len(seen) == len(set(seen)) <= 4


def test_no_more_than_a_share_stays_and_then_the_best_is_taken(
    made: Int8Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8_quantization, "LARGEST_FRACTION", made.float_fraction(BLOCKS[:2]))
    judge, seen = judged_by(made, 4, monkeypatch)
    taken = search(made, BLOCKS, judge, "openvino")
    assert max(seen) == 2
    assert not taken.agrees
    assert taken.keep == ("stem", "layer1.0")
    assert made.described(taken.keep).startswith("stem, layer1.0 in 32 bits (")
    assert made.described(()) == "all in 8 bits"
