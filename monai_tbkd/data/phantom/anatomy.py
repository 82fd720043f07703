"""How one phantom patient is built and stands before the plate: the numbers that vary from film to film."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Anatomy:
    """One patient. Lengths are in body units: the film shows about -1..1, u to the film's right, v downward.

    Args:
        lung_width: scale of the lungs' breadth, 1 is average.
        apex: v of the lungs' top.
        dome_right: v of the right diaphragm's dome; the left one is ``dome_step`` lower.
        dome_step: how much lower the left dome is.
        sulcus: depth of the costophrenic angles below the domes.
        heart: scale of the heart's breadth, 1 is average, above about 1.35 is cardiomegaly.
        knob: bulge of the aortic knob.
        bulk: thickness of the soft tissue, 1 is average.
        arm: how far the arms are held away from the trunk.
        rib_slope: downward slope of the ribs.
        rib_contrast: how clearly the ribs stand out.
        clavicle_rise: how much higher the clavicles end at the shoulder than at the sternum.
        scapula: how far the shoulder blades reach into the lungs.
        breast: strength of the breast shadows, 0 for none.
        bubble: strength of the stomach bubble, 0 for none.
        vessels: strength of the vessel markings.
        shift: of the whole body on the film, (u, v).
        angle: rotation of the body in radians.
        scale: of the body on the film.
        bend: sideways bend of the spine.
    """

    lung_width: float
    apex: float
    dome_right: float
    dome_step: float
    sulcus: float
    heart: float
    knob: float
    bulk: float
    arm: float
    rib_slope: float
    rib_contrast: float
    clavicle_rise: float
    scapula: float
    breast: float
    bubble: float
    vessels: float
    shift: tuple[float, float]
    angle: float
    scale: float
    bend: float


def sample_anatomy(rng: np.random.Generator, enlarged_heart: bool = False) -> Anatomy:
    """Draw a patient.

    Args:
        rng: source of chance; the same number of draws is taken whatever the arguments are, so that a patient with a
            large heart is otherwise the same patient.
        enlarged_heart: cardiomegaly.

    Returns:
        The patient.
    """
    uniform = rng.uniform
    heart, large = float(uniform(0.86, 1.16)), float(uniform(1.42, 1.62))
    female, has_bubble = rng.random() < 0.4, rng.random() < 0.6
    return Anatomy(
        lung_width=float(uniform(0.92, 1.08)),
        apex=float(uniform(-0.82, -0.70)),
        dome_right=float(uniform(0.26, 0.46)),
        dome_step=float(uniform(0.02, 0.10)),
        sulcus=float(uniform(0.16, 0.28)),
        heart=large if enlarged_heart else heart,
        knob=float(uniform(0.4, 1.5)),
        bulk=float(np.exp(rng.normal(0, 0.09))),
        arm=float(uniform(-0.2, 0.3)),
        rib_slope=float(uniform(0.6, 1.4)),
        rib_contrast=float(uniform(0.7, 1.3)),
        clavicle_rise=float(uniform(0.0, 0.20)),
        scapula=float(uniform(-0.08, 0.09)),
        breast=float(uniform(0.08, 0.22)) if female else 0.0,
        bubble=float(uniform(0.12, 0.38)) if has_bubble else 0.0,
        vessels=float(uniform(0.75, 1.35)),
        shift=(float(np.clip(rng.normal(0, 0.035), -0.08, 0.08)), float(np.clip(rng.normal(0.02, 0.035), -0.06, 0.08))),
        angle=float(np.clip(rng.normal(0, 0.022), -0.06, 0.06)),
        scale=float(uniform(0.90, 1.07)),
        bend=float(rng.normal(0, 0.012)),
    )
