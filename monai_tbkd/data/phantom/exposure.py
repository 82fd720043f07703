"""From attenuation to gray levels: exposure, contrast, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from monai_tbkd.data.phantom.canvas import Array, noise_field

# The window of attenuation that the film shows, for an average patient; fixed, not measured on the film, so that a
# lesion changes its own pixels only.
_BLACK, _WHITE = 0.03, 1.34


@dataclass(frozen=True)
class Exposure:
    """How a film was exposed and processed.

    Args:
        gamma: exponent of the gray curve, above 1 darkens the lungs.
        black: shift of the window's dark end, in attenuation.
        white: shift of the window's bright end.
        shoulder: how strongly the bright end is compressed.
        noise: quantum noise in the lungs, as a fraction of full scale.
        veil: scattered light at the air, as a fraction of full scale.
        unevenness: slow brightness change over the film.
        blur: deviation of the blur in pixels of a 512-pixel film.
    """

    gamma: float
    black: float
    white: float
    shoulder: float
    noise: float
    veil: float
    unevenness: float
    blur: float


def sample_exposure(rng: np.random.Generator) -> Exposure:
    """Draw an exposure as it varies between rooms and machines."""
    return Exposure(
        gamma=float(rng.uniform(0.85, 1.25)),
        black=float(rng.uniform(-0.05, 0.04)),
        white=float(rng.uniform(-0.12, 0.10)),
        shoulder=float(rng.uniform(0.6, 1.6)),
        noise=float(rng.uniform(0.006, 0.020)),
        veil=float(rng.uniform(0.0, 0.05)),
        unevenness=float(rng.uniform(0.005, 0.03)),
        blur=float(rng.uniform(0.3, 0.7)),
    )


def develop(attenuation: Array, exposure: Exposure, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Turn attenuation into a gray film.

    Args:
        attenuation: ``(H, H)``, 0 for air, about 1 for the mediastinum.
        exposure: how the film is exposed.
        rng: source of chance for the noise; it does not see the picture, so two films that differ in a lesion carry
            the same noise.

    Returns:
        ``(H, H)`` uint8, air dark.
    """
    e, size = exposure, attenuation.shape[0]
    sigma = e.blur * size / 512
    if sigma > 0.25:  # a narrower blur would not reach the next pixel
        attenuation = gaussian_filter(attenuation, sigma, truncate=2.5)
    low, high = _BLACK + e.black, _WHITE + e.white
    level = np.clip((attenuation - low) * np.float32(1 / (high - low)), 0, 1.25)
    level **= np.float32(e.gamma)
    # The shoulder: bright parts are pressed together below white.
    k = np.float32(e.shoulder)
    level = (1 - np.exp(-k * level)) / (1 - np.exp(-k))
    level = e.veil + (0.93 - e.veil) * level
    level += np.float32(e.unevenness) * noise_field(rng, 4, size)
    grain = rng.standard_normal((size, size), dtype=np.float32)
    # Fewer photons pass where it is bright; a smaller film averages more of them into a pixel.
    level += grain * (np.float32(e.noise * (0.45 + 0.55 * size / 512)) * (0.35 + level))
    return np.asarray(np.clip(level * 255, 0, 255), dtype=np.uint8)
