"""One phantom image, from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from monai_tbkd.data.lists.image_classes import CLASS_NAMES
from monai_tbkd.data.phantom.body import render_body, render_vessels
from monai_tbkd.data.phantom.canvas import Array, Canvas, noise_field
from monai_tbkd.data.phantom.cues import CUE_KINDS, Cue, ShortcutSpec, draw_cues
from monai_tbkd.data.phantom.disease import Lesion, render_finding, render_lesions, sample_finding
from monai_tbkd.data.phantom.patient import Anatomy, Pose
from monai_tbkd.data.phantom.skeleton import render_skeleton

GENERATOR_VERSION = "2"
"""Raise it when a change makes any image differ, so that a data set on disk is not mistaken for the new one."""

MIN_SIZE = 96

# The window of attenuation that the image shows, for an average patient; fixed, not measured on the image, so that a
# lesion changes its own pixels only.
_BLACK, _WHITE = 0.03, 1.34

# Each thing that varies has a stream of its own: the same seed is the same patient whatever disease or cue is added.
_STREAMS = ("anatomy", "skeleton", "texture", "vessels", "disease", "exposure", "noise", "presence", *CUE_KINDS)


@dataclass(frozen=True)
class PhantomImage:
    """A synthetic frontal chest image and everything that is known about it."""

    image: npt.NDArray[np.uint8]  # (H, W), upright, air dark
    lung_field: npt.NDArray[np.bool_]  # (H, W), the aerated lung beside heart and mediastinum
    class_name: str
    lesions: tuple[Lesion, ...] = ()  # empty unless class_name is tb
    cues: tuple[Cue, ...] = ()
    finding: str | None = None  # of a sick image: consolidation, effusion or cardiomegaly

    def to_record(self) -> dict[str, Any]:
        """What is known about the image, without its pixels, as plain JSON types."""
        return {
            "class_name": self.class_name,
            "finding": self.finding,
            "lesions": [{**asdict(lesion), "box": list(lesion.box)} for lesion in self.lesions],
            "cues": [{"kind": cue.kind, "box": None if cue.box is None else list(cue.box)} for cue in self.cues],
        }


# How images are exposed and processed, as it varies between rooms and machines.
_EXPOSURE = {
    "gamma": (0.85, 1.25),  # exponent of the gray curve, above 1 darkens the lungs
    "black": (-0.05, 0.04),  # shift of the window's dark end, in attenuation
    "white": (-0.12, 0.10),  # shift of the window's bright end
    "shoulder": (0.6, 1.6),  # how strongly the bright end is compressed
    "noise": (0.006, 0.020),  # quantum noise in the lungs, as a fraction of full scale
    "veil": (0.0, 0.05),  # scattered light at the air, as a fraction of full scale
    "unevenness": (0.005, 0.03),  # slow brightness change over the image
    "blur": (0.3, 0.7),  # deviation of the blur in pixels of a 512-pixel image
}


def _develop(attenuation: Array, exposure: dict[str, float], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Turn attenuation ``(H, H)``, 0 for air, into a gray image; the noise does not depend on the picture."""
    e, size = exposure, attenuation.shape[0]
    sigma = e["blur"] * size / 512
    if sigma > 0.25:  # a narrower blur would not reach the next pixel
        attenuation = gaussian_filter(attenuation, sigma, truncate=2.5)
    low, high = _BLACK + e["black"], _WHITE + e["white"]
    level = np.clip((attenuation - low) * np.float32(1 / (high - low)), 0, 1.25)
    level **= np.float32(e["gamma"])
    # The shoulder: bright parts are pressed together below white.
    k = np.float32(e["shoulder"])
    level = (1 - np.exp(-k * level)) / (1 - np.exp(-k))
    level = e["veil"] + (0.93 - e["veil"]) * level
    level += np.float32(e["unevenness"]) * noise_field(rng, 4, size)
    grain = rng.standard_normal((size, size), dtype=np.float32)
    # Fewer photons pass where it is bright; a smaller image averages more of them into a pixel.
    level += grain * (np.float32(e["noise"] * (0.45 + 0.55 * size / 512)) * (0.35 + level))
    return np.asarray(np.clip(level * 255, 0, 255), dtype=np.uint8)


def _streams(seed: int | Sequence[int]) -> dict[str, np.random.Generator]:
    words = [int(seed)] if isinstance(seed, (int, np.integer)) else [int(word) for word in seed]
    if not words or min(words) < 0:
        raise ValueError(f"an image's seed is one or more whole numbers of 0 or more, got {seed!r}")
    # The number of words is part of the key: numpy pads entropy with zeros, so (1,) and (1, 0) would be one seed.
    return {
        name: np.random.default_rng(np.random.SeedSequence(words, spawn_key=(len(words), i)))
        for i, name in enumerate(_STREAMS)
    }


def make_image(
    class_name: str,
    seed: int | Sequence[int],
    size: int = 512,
    shortcut: ShortcutSpec | None = None,
    draw_disease: bool = True,
) -> PhantomImage:
    """Make a synthetic frontal chest image. The same arguments give the same bytes.

    Args:
        class_name: ``health``, ``sick`` (not tuberculosis) or ``tb``.
        seed: one whole number or several, such as (seed, split, index). The same seed is the same patient, exposure
            and noise in every class.
        size: side of the image in pixels, at least 96.
        shortcut: cues that go along with the label; None for an image without any.
        draw_disease: False leaves lesions (and consolidation and effusion) out of the picture but keeps their records
            and everything else. A large heart stays, being anatomy.

    Example:
        >>> image = make_image("tb", seed=(0, 17), size=128)
        >>> image.image.shape, image.image.dtype.name, len(image.lesions) > 0
        ((128, 128), 'uint8', True)
    """
    if class_name not in CLASS_NAMES:
        raise ValueError(f"class_name must be one of {CLASS_NAMES}, got {class_name!r}")
    if size < MIN_SIZE:
        raise ValueError(f"a phantom image has at least {MIN_SIZE} pixels a side, got {size}; resize a larger one")
    rng = _streams(seed)
    finding = sample_finding(rng["disease"]) if class_name == "sick" else None
    anatomy = Anatomy(rng["anatomy"], enlarged_heart=finding == "cardiomegaly")
    canvas, pose = Canvas(size), Pose(anatomy)

    body, lungs, outlines = render_body(canvas, anatomy, rng["texture"])
    body += render_skeleton(canvas, anatomy, outlines, rng["skeleton"])
    body += render_vessels(canvas, anatomy, outlines, rng["vessels"]) * lungs
    attenuation = pose.apply(body, size)
    both, half = pose.apply(lungs, size), pose.right_half(size)
    right, left = both * half, both * ~half

    lesions: tuple[Lesion, ...] = ()
    disease = np.zeros_like(attenuation)
    if class_name == "tb":
        disease, lesions = render_lesions(rng["disease"], right, left)
    elif finding is not None:
        disease = render_finding(rng["disease"], finding, right, left, attenuation)
    if draw_disease:
        attenuation = attenuation + disease

    exposure = {name: float(rng["exposure"].uniform(*span)) for name, span in _EXPOSURE.items()}
    present: dict[str, bool] = {}
    if shortcut is not None:
        present = {kind: shortcut.present(kind, class_name == "tb", rng["presence"]) for kind in CUE_KINDS}
    if present.get("exposure"):
        # a hard, dark style of processing
        exposure |= {"gamma": exposure["gamma"] * 1.55, "shoulder": exposure["shoulder"] + 1.2, "veil": 0.0}
        exposure["white"] -= 0.10
    image = _develop(attenuation, exposure, rng["noise"])
    lung_field = both > 0.5
    cues = draw_cues(image, lung_field, present, rng)
    return PhantomImage(image, lung_field, class_name, lesions, cues, finding)
