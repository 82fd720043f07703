"""A network in bfloat16 on a CPU."""

from __future__ import annotations

import torch
from torch import nn


class Bfloat16Net(nn.Module):
    """Run a network in bfloat16, channels last, where the processor has instructions for it.

    With AVX512-BF16 or AMX (Intel since 2020, AMD since Zen 4) a ResNet takes less than half the time; on other
    processors more. Maps differ in the third digit.

    Args:
        network: shared, not copied; its weights stay float32.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """As the network's, in float32."""
        with torch.autocast(image.device.type, dtype=torch.bfloat16):
            out = self.network(image.contiguous(memory_format=torch.channels_last))
        return out.float()  # type: ignore[no-any-return]
