"""What a model finds on one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from monai_tbkd.data import ImageTurn
from monai_tbkd.results.prediction_row import prediction_overlay
from monai_tbkd.transforms import DrawOverlay, notice_of, upsample_map


@dataclass(frozen=True)
class Finding:
    """What a model finds on one image; a refused image has a reason and no score.

    Attributes:
        row: what ``predictions.json`` holds of the image: name, status, decision, warnings, model version and more.
        score: of 0-1, None where the image was refused.
    """

    row: Mapping[str, Any]
    score: float | None = None
    _batch: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _output: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def reason(self) -> str | None:
        """Why there is no score, such as ``NOT_FRONTAL: ...``; None where there is one."""
        return f"{self.row['reason']}: {self.row['detail']}" if self.row["reason"] else None

    @property
    def decision(self) -> str | None:
        """``TB suggestive`` or ``not TB suggestive``; None without a score or a threshold for this kind of file."""
        return self.row["decision"]

    @property
    def boxes(self) -> NDArray[np.float32]:
        """``(n, 4)``: xmin, ymin, xmax, ymax in the image's pixels as they are stored; x = column, edges half-open."""
        return self._found[:, :4]

    @property
    def box_scores(self) -> NDArray[np.float32]:
        """``(n,)`` of 0-1."""
        return self._found[:, 4]

    @property
    def map(self) -> NDArray[np.float32] | None:
        """TB probabilities of 0-1 at the image's pixels as they are stored, ``(H, W)``; None without a score."""
        if self.score is None:
            return None
        size = (int(self._batch["original_size"][0]), int(self._batch["original_size"][1]))
        return self.turn.as_stored(upsample_map(self._output["tb_map"], size)[0].cpu().numpy())

    @property
    def tb_map(self) -> torch.Tensor | None:
        """TB probabilities of 0-1 on the network's own grid, ``(1, h, w)``, upright; None without a score."""
        return self._output["tb_map"].detach().cpu() if self._output else None

    @property
    def turn(self) -> ImageTurn:
        """How the stored pixels were turned upright."""
        return ImageTurn.from_text(self._batch["image"].meta.get("turn", ""))

    def overlay(self, size: int = 640) -> Image.Image:
        """The image beside itself with map and boxes, upright, each ``size`` pixels on its longer side."""
        if self.score is None:
            raise ValueError(f"{self.row['name']} has no map: {self.reason}")
        notice = notice_of(str(self.row["model_version"]))
        return prediction_overlay(self._batch, self._output, self.row, DrawOverlay(size, notice))

    @property
    def _found(self) -> NDArray[np.float32]:
        return np.array(self.row["boxes"] or [], dtype=np.float32).reshape(-1, 5)
