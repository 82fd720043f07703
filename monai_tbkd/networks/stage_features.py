"""Features of a network's stages, caught on their way."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import torch
from torch import nn


class StageFeatures:
    """Within a ``with`` block, keeps what stages of a network put out; its hooks are gone after it, whatever happens.

    Args:
        network: any network.
        stages: names of its modules, or their ends: ``layer2`` finds ``network.backbone.layer2``.

    Raises:
        ValueError: on entry, no module of that name, several, or one that was put out of use.

    Example:
        >>> net = nn.Sequential(nn.ReLU(), nn.Flatten())
        >>> with StageFeatures(net, ["0"]) as caught:
        ...     _ = net(torch.tensor([[-1.0, 2.0]]))
        >>> caught.features()
        [tensor([[0., 2.]])]
    """

    def __init__(self, network: nn.Module, stages: Sequence[str]) -> None:
        self.network, self.stages = network, tuple(stages)
        self._caught: dict[str, list[torch.Tensor]] = {}
        self._hooks: list[Any] = []

    def __enter__(self) -> StageFeatures:
        found = {stage: self._module(stage) for stage in self.stages}
        self._caught = {stage: [] for stage in self.stages}
        for stage, module in found.items():
            self._hooks.append(module.register_forward_hook(self._keep(stage)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def features(self) -> list[torch.Tensor]:
        """The output ``(B, F, h, w)`` of each stage, in the order of the names.

        Raises:
            ValueError: a stage has not run exactly once, as in a network that looks at a film several times.
        """
        for stage, outputs in self._caught.items():
            if len(outputs) != 1:
                raise ValueError(
                    f"The stage {stage} ran {len(outputs)} times in one look at the films; features can be compared "
                    "where it runs once. Set the weight of the attention term to 0, or take a network that looks once."
                )
        return [self._caught[stage][0] for stage in self.stages]

    def _keep(self, stage: str) -> Any:
        def keep(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            self._caught[stage].append(output)

        return keep

    def _module(self, stage: str) -> nn.Module:
        modules = dict(self.network.named_modules())
        names = [stage] if stage in modules else [name for name in modules if name.endswith(f".{stage}")]
        if len(names) != 1:
            raise ValueError(
                f"The stage {stage!r} names {len(names)} modules of {type(self.network).__name__}"
                f"{' (' + ', '.join(names) + ')' if names else ''}; expected one. Give more of its name."
            )
        if isinstance(modules[names[0]], nn.Identity):
            raise ValueError(f"The stage {stage!r} is not in use; its network ends before it (last_stage).")
        return modules[names[0]]
