"""What data sets call the two kinds of tuberculosis that a box may show."""

from __future__ import annotations

from monai_tbkd.data.film_classes import plain_word

_WORDS = {
    "active": ("active", "active_tb", "active_tuberculosis", "activetuberculosis"),
    "latent": ("latent", "latent_tb", "latent_tuberculosis", "obsoletepulmonarytuberculosis", "obsolete_tb"),
    "uncertain": ("uncertain", "uncertain_tb", "pulmonarytuberculosis"),
}
_TYPE_OF = {word: name for name, words in _WORDS.items() for word in words}


def box_type_of(word: str) -> str | None:
    """The kind of tuberculosis that a word stands for.

    Args:
        word: for example ``"ActiveTuberculosis"`` or ``"latent_tb"``; case, spaces and hyphens do not count.

    Returns:
        ``"active"``, ``"latent"``, ``"uncertain"``, or None.

    Example:
        >>> box_type_of("ObsoletePulmonaryTuberculosis"), box_type_of("Active TB"), box_type_of("nodule")
        ('latent', 'active', None)
    """
    return _TYPE_OF.get(plain_word(word))
