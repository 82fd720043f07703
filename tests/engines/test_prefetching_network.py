from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.inferers import Inferer, SimpleInferer, SlidingWindowInferer
from torch import nn

from monai_tbkd.engines import PrefetchingNetwork

WAIT = 60.0
TASKS = Path("/proc/self/task")


class Watched(nn.Module):
    """Doubles images, and keeps which it saw, where and how."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))
        self.seen: list[float] = []
        self.threads: set[str] = set()
        self.modes: set[tuple[bool, bool]] = set()
        self.second = threading.Event()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.seen.append(float(image.max()))
        self.threads.add(threading.current_thread().name)
        self.modes.add((self.training, torch.is_grad_enabled()))
        if len(self.seen) == 2:
            self.second.set()
        if image.max() == 13:
            raise RuntimeError("image 13")
        return image * self.weight


def images(values: Sequence[float]) -> DataLoader:
    return DataLoader(Dataset([{"image": torch.full((1, 8, 8), value)} for value in values]), batch_size=1)


def evaluated(
    network: Watched, values: Sequence[float], inferer: Inferer | None = None, device: str = "cpu", runs: int = 1
) -> list[float]:
    ahead = PrefetchingNetwork(network, device)
    found: list[float] = []
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=ahead.over(images(values)),
        network=ahead,
        inferer=inferer or SimpleInferer(),
    )

    @evaluator.on(Events.ITERATION_COMPLETED)
    def keep(engine: Any) -> None:
        if device == "cpu" and len(values) > 1:
            assert network.second.wait(WAIT)  # the next batch is computed before this one's results are done with
        found.append(float(engine.state.output[0]["pred"].max()))

    try:
        for _ in range(runs):
            evaluator.run()
    except RuntimeError as error:
        assert str(error) == "image 13"
        found.append(-1.0)
    return found


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_each_batch_gets_its_own_map_in_its_turn_and_is_computed_once_in_a_thread(values: list[float]) -> None:
    network = Watched()
    assert evaluated(network, values) == [2 * v for v in values]
    assert network.seen == values
    assert all(name.startswith("network") for name in network.threads)


def test_it_runs_again() -> None:
    assert evaluated(Watched(), [1.0, 2.0], runs=2) == [2.0, 4.0, 2.0, 4.0]


def test_the_network_is_in_evaluation_mode_without_gradients_throughout() -> None:
    network = Watched().train()
    evaluated(network, [1.0, 2.0, 3.0])
    assert network.modes == {(False, False)}
    assert not PrefetchingNetwork(network).train().training


def test_an_error_comes_out_in_its_turn_after_the_results_of_the_images_before() -> None:
    assert evaluated(Watched(), [1.0, 2.0, 13.0, 4.0]) == [2.0, 4.0, -1.0]


def test_a_loader_that_breaks_off_leaves_what_it_gave_before() -> None:
    def broken() -> Iterator[dict[str, torch.Tensor]]:
        yield {"image": torch.ones(1)}
        yield {"image": torch.ones(1)}
        raise OSError("a worker died")

    ahead, seen = PrefetchingNetwork(nn.Identity()), 0
    with pytest.raises(OSError, match="a worker died"):
        for batch in ahead.over(broken()):
            seen += int(ahead(batch["image"]))
    assert seen == 2


@pytest.mark.skipif(not TASKS.is_dir(), reason="threads are counted as Linux shows them")
def test_the_network_takes_the_number_of_threads_that_was_set() -> None:
    class Counting(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            before = len(list(TASKS.iterdir()))
            nn.functional.conv2d(image, torch.ones(16, 16, 3, 3))
            return torch.tensor(len(list(TASKS.iterdir())) - before)

    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # a new thread would by itself take one, see conftest.py
    try:
        ahead = PrefetchingNetwork(Counting())
        (new,) = [int(ahead(batch["image"])) for batch in ahead.over([{"image": torch.ones(1, 16, 128, 128)}])]
        assert new == 1
    finally:
        torch.set_num_threads(threads)


def test_input_that_is_not_the_image_of_the_batch_is_computed_as_ever() -> None:
    network = Watched()
    windows = SlidingWindowInferer((4, 4), sw_batch_size=1, overlap=0)
    assert evaluated(network, [1.0, 2.0, 3.0, 4.0], windows) == [2.0, 4.0, 6.0, 8.0]
    # ahead of what was not yet known: the first image and perhaps the second; then four windows an image
    assert 16 + 1 <= len(network.seen) <= 16 + 2


def test_on_a_gpu_nothing_goes_ahead() -> None:
    network = Watched()
    assert evaluated(network, [1.0, 2.0], device="cuda") == [2.0, 4.0]
    assert network.threads == {threading.main_thread().name}
