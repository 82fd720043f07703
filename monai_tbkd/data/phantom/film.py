"""One phantom film, from a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monai_tbkd.data.phantom.anatomy import sample_anatomy
from monai_tbkd.data.phantom.body import render_body
from monai_tbkd.data.phantom.canvas import Canvas
from monai_tbkd.data.phantom.exposure import develop, sample_exposure
from monai_tbkd.data.phantom.findings import render_finding, sample_finding
from monai_tbkd.data.phantom.lesions import render_lesions
from monai_tbkd.data.phantom.pose import Pose
from monai_tbkd.data.phantom.records import CLASS_NAMES, Lesion, PhantomFilm
from monai_tbkd.data.phantom.shortcuts import CUE_KINDS, ShortcutSpec, draw_cues, restyle
from monai_tbkd.data.phantom.skeleton import render_skeleton
from monai_tbkd.data.phantom.vessels import render_vessels

GENERATOR_VERSION = "2"
"""Raise it when a change makes any film differ, so that a data set on disk is not mistaken for the new one."""

MIN_SIZE = 96

# Each thing that varies has a stream of its own: the same seed is the same patient whatever disease or cue is added.
_STREAMS = ("anatomy", "skeleton", "texture", "vessels", "disease", "exposure", "noise", "presence", *CUE_KINDS)


def _streams(seed: int | Sequence[int]) -> dict[str, np.random.Generator]:
    words = [int(seed)] if isinstance(seed, (int, np.integer)) else [int(word) for word in seed]
    if not words or min(words) < 0:
        raise ValueError(f"a film's seed is one or more whole numbers of 0 or more, got {seed!r}")
    # The number of words is part of the key: numpy pads entropy with zeros, so (1,) and (1, 0) would be one seed.
    return {
        name: np.random.default_rng(np.random.SeedSequence(words, spawn_key=(len(words), i)))
        for i, name in enumerate(_STREAMS)
    }


def make_film(
    class_name: str,
    seed: int | Sequence[int],
    size: int = 512,
    shortcut: ShortcutSpec | None = None,
    draw_disease: bool = True,
) -> PhantomFilm:
    """Make a synthetic frontal chest film. The same arguments give the same bytes.

    Args:
        class_name: ``health``, ``sick`` (not tuberculosis) or ``tb``.
        seed: one whole number or several, such as (seed, split, index). The same seed is the same patient, exposure
            and noise in every class.
        size: side of the film in pixels, at least 96.
        shortcut: cues that go along with the label; None for a film without any.
        draw_disease: False leaves lesions (and consolidation and effusion) out of the picture but keeps their records
            and everything else: the film as it would be without the disease. A large heart stays, being anatomy.

    Returns:
        The film with its lesions, cues and lung field.

    Raises:
        ValueError: on an unknown class, a bad seed or a film that is too small.

    Example:
        >>> film = make_film("tb", seed=(0, 17), size=128)
        >>> film.image.shape, film.image.dtype.name, len(film.lesions) > 0
        ((128, 128), 'uint8', True)
    """
    if class_name not in CLASS_NAMES:
        raise ValueError(f"class_name must be one of {CLASS_NAMES}, got {class_name!r}")
    if size < MIN_SIZE:
        raise ValueError(f"a phantom film has at least {MIN_SIZE} pixels a side, got {size}; resize a larger one")
    rng = _streams(seed)
    finding = sample_finding(rng["disease"]) if class_name == "sick" else None
    anatomy = sample_anatomy(rng["anatomy"], enlarged_heart=finding == "cardiomegaly")
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

    exposure = sample_exposure(rng["exposure"])
    present: dict[str, bool] = {}
    if shortcut is not None:
        present = {kind: shortcut.present(kind, class_name == "tb", rng["presence"]) for kind in CUE_KINDS}
    if present.get("exposure"):
        exposure = restyle(exposure)
    image = develop(attenuation, exposure, rng["noise"])
    lung_field = both > 0.5
    cues = draw_cues(image, lung_field, present, rng)
    return PhantomFilm(image, lung_field, class_name, lesions, cues, finding)
