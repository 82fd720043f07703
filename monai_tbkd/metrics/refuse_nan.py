"""What is not a number must not be scored: it would leave a mean in silence."""

from __future__ import annotations

import numpy as np
import torch


def refuse_nan(values: np.ndarray | torch.Tensor, what: str) -> None:
    """Raise where a value is nan or infinite.

    Args:
        values: of any shape.
        what: named in the message, such as ``"maps"``.

    Raises:
        ValueError: a value is not finite.

    Example:
        >>> refuse_nan(np.array([0.1, np.nan]), "scores")
        Traceback (most recent call last):
        ValueError: 1 of 2 values in scores are nan or infinite; expected finite numbers, so look at what made them.
    """
    tensor = torch.as_tensor(values)
    strange = int((~torch.isfinite(tensor)).sum()) if tensor.is_floating_point() else 0
    if strange:
        raise ValueError(
            f"{strange} of {tensor.numel()} values in {what} are nan or infinite; expected finite numbers, so look at "
            "what made them."
        )
