from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.fl.client import ClientAlgo
from monai.fl.utils.constants import FlStatistics, WeightType
from monai.fl.utils.exchange_object import ExchangeObject

from monai_tbkd.engines.federated import average_updates, federated_averaging

STEPS = FlStatistics.NUM_EXECUTED_ITERATIONS


def update(steps: int, kind: WeightType = WeightType.WEIGHTS, **weights: list[float]) -> ExchangeObject:
    return ExchangeObject({k: torch.tensor(v) for k, v in weights.items()}, None, None, kind, {STEPS: steps})


def test_mean_is_weighted_by_steps() -> None:
    mean = average_updates([update(1, w=[0.0, 8.0]), update(3, w=[4.0, 0.0])])
    torch.testing.assert_close(mean, {"w": torch.tensor([3.0, 2.0])})


def test_counters_stay_whole_numbers() -> None:
    sites = [ExchangeObject({"n": torch.tensor(n)}, None, None, WeightType.WEIGHTS, {STEPS: 1}) for n in (10, 13)]
    mean = average_updates(sites)["n"]
    assert mean.dtype == torch.int64
    assert int(mean) == 12  # 11.5


def test_a_site_without_a_step_counts_nothing() -> None:
    assert average_updates([update(0, w=[100.0]), update(2, w=[1.0])])["w"].item() == 1


@pytest.mark.parametrize(
    ("updates", "message"),
    [
        ([], "no update"),
        ([update(1, w=[1.0]), update(1, v=[1.0])], "Site 1 has another network than site 0: v, w"),
        ([update(1, w=[1.0]), update(1, w=[1.0, 2.0])], "Site 1 has another network"),
        ([update(1, w=[1.0]), update(1, w=[float("nan")])], "Site 1 has sent weights that are no numbers: w"),
        ([update(1, WeightType.WEIGHT_DIFF, w=[1.0])], "send_weight_diff=False"),
        ([update(0, w=[1.0]), update(0, w=[1.0])], "expected some"),
    ],
)
def test_what_cannot_be_averaged_is_named(updates: list[ExchangeObject], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        average_updates(updates)


class Adds(ClientAlgo):
    """A site whose training adds a number, in place, as an optimizer does."""

    def __init__(self, number: float, steps: int) -> None:
        self.number, self.steps, self.weight = number, steps, torch.zeros(1)

    def train(self, data: ExchangeObject, extra: dict[str, Any] | None = None) -> None:
        self.weight.copy_(data.weights["w"]).add_(self.number)

    def get_weights(self, extra: dict[str, Any] | None = None) -> ExchangeObject:
        return ExchangeObject({"w": self.weight}, None, None, WeightType.WEIGHTS, {STEPS: self.steps})


def test_rounds_go_on_from_the_average() -> None:
    start = {"w": torch.tensor([1.0])}
    after = federated_averaging([Adds(4, 1), Adds(8, 3)], start, rounds=3)
    assert after["w"].item() == 1 + 3 * 7  # each round adds (4 + 3 * 8) / 4
    assert start["w"].item() == 1
    with pytest.raises(ValueError, match="rounds is 0"):
        federated_averaging([], start, rounds=0)
