"""Refuse images that are no upright frontal chest X-rays, unless DICOM tags say that they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from monai_tbkd.data import ImageError, ImageWarning, ReasonCode
from monai_tbkd.data.gate.frontal_gate import FrontalGate
from monai_tbkd.transforms.plain_tensor import DictionaryForm, add_note, plain_tensor

WHICH = ("untagged", "all", "off")

_REFUSALS = {
    "upside_down": "the image looks as if it stood on its head; expected head up, so turn it by 180 degrees",
    "turned": "the image looks as if it lay on its side; expected head up, so turn it by 90 degrees",
    "inverted": (
        "the image looks inverted, with white air; expected black air and white bones, so invert its gray values"
    ),
    "not_a_chest_image": (
        "the picture does not look like a frontal chest image; give a PA or AP image of a whole chest or skip this "
        "check"
    ),
}


class CheckFrontal(Transform):
    """Return an image as it is, or refuse it (ImageError) if it does not look like an upright frontal chest X-ray.

    Args:
        which: ``"untagged"`` refuses what no DICOM tag contradicts: an image that looks turned or upside down unless
            PatientOrientation is known, one that looks like no chest X-ray unless view and body part are known, one
            that looks inverted in any case. Where tags contradict, the image gets the warning LOOKS_DOUBTFUL. ``"all"``
            refuses any such image, ``"off"`` checks none.
    """

    def __init__(self, which: str | bool = "untagged") -> None:
        if which is False:  # what YAML makes of off
            which = "off"
        if which not in WHICH:
            raise ValueError(f"check_frontal is {which!r}; expected one of {WHICH}.")
        self.which = str(which)
        self.gate = FrontalGate()

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Check an image ``(1, H, W)`` as the reader gives it.

        NOT_FRONTAL if it is turned or inverted, else NOT_CHEST.
        """
        meta: dict[str, Any] = image.meta if isinstance(image, MetaTensor) else {}
        if self.which == "off":
            return image
        if image.ndim != 3 or image.shape[0] != 1:
            raise ValueError(f"The image is {tuple(image.shape)}; expected one gray channel, (1, H, W).")
        verdict = self.gate(np.asarray(plain_tensor(image))[0])
        if not verdict.accepted and self.which == "untagged" and _is_vouched(meta, verdict.kind):
            add_note(meta, "warnings", ImageWarning.LOOKS_DOUBTFUL)
        elif not verdict.accepted:
            reason = ReasonCode.NOT_CHEST if verdict.kind == "not_a_chest_image" else ReasonCode.NOT_FRONTAL
            raise ImageError(reason, str(meta.get("filename_or_obj", "the image")), _REFUSALS[verdict.kind])
        return image


def _is_vouched(meta: Mapping[str, Any], kind: str) -> bool:
    """Whether tags say that the image is not what it looks like."""
    if meta.get("source_format") != "dicom":
        return False
    unknown = set(str(meta.get("warnings", "")).split("; "))
    if kind in ("upside_down", "turned"):
        return ImageWarning.ORIENTATION_UNKNOWN not in unknown
    if kind == "not_a_chest_image":
        return not unknown & {ImageWarning.VIEW_UNKNOWN, ImageWarning.BODY_PART_UNKNOWN}
    return False  # no tag is believed against white air


class CheckFrontald(DictionaryForm):
    """Dictionary form of :class:`CheckFrontal`."""

    array_form = CheckFrontal
