"""Save and restore the random numbers of a training, so that it resumes as if it had not been interrupted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import torch


def random_states(loader: Any) -> dict[str, Any]:
    """Return the states of all random numbers that a training draws, made of numbers, text and tensors.

    The generators of the loader's sampler and of its data set's transforms are found in it.
    """
    return {
        "python": random.getstate(),
        "numpy": _plain(np.random.get_state()),  # noqa: NPY002 -- of whoever draws from it
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "loader": [
            source.get_state() if isinstance(source, torch.Generator) else _plain(source.get_state())
            for source in _sources(loader, set())
        ],
    }


def set_random_states(states: dict[str, Any], loader: Any) -> None:
    """Set all random numbers to states of `random_states`; those of a loader with other transforms are refused.

    With another number of workers, images are changed differently.
    """
    sources = list(_sources(loader, set()))
    if len(sources) != len(states["loader"]):
        raise ValueError(
            f"The training that is gone on with had {len(states['loader'])} random transforms, and here there are "
            f"{len(sources)}. Set them as they were, or train anew with --resume false."
        )
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state(_numpy_tuple(states["numpy"]))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    for source, state in zip(sources, states["loader"], strict=True):
        if isinstance(source, torch.Generator):
            source.set_state(state)
        else:
            source.set_state(_numpy_tuple(state))


def _sources(held: Any, seen: set[int]) -> Iterator[np.random.RandomState | torch.Generator]:
    """Generators in an object, its attributes and their lists, each once; in the order of MONAI's ``set_rnd``."""
    if id(held) in seen:
        return
    seen.add(id(held))
    if isinstance(held, (np.random.RandomState, torch.Generator)):
        yield held
    elif isinstance(held, (tuple, list)):
        for each in held:
            yield from _sources(each, seen)
    elif not isinstance(held, (type, ModuleType, torch.Tensor, torch.nn.Module)):
        for value in getattr(held, "__dict__", {}).values():
            yield from _sources(value, seen)


def _plain(numpy_state: Any) -> list[Any]:
    # an array of NumPy could not be read from a file without running code
    kind, keys, *rest = numpy_state
    return [str(kind), torch.from_numpy(np.asarray(keys, dtype=np.int64)), *(float(x) for x in rest)]


def _numpy_tuple(state: list[Any]) -> tuple[Any, ...]:
    kind, keys, position, has_gauss, gauss = state
    return kind, keys.numpy().astype(np.uint32), int(position), int(has_gauss), float(gauss)
