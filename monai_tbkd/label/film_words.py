"""Words for a whole film, wherever an annotator has put them."""

from __future__ import annotations

from typing import Any

from monai_tbkd.data.film_classes import class_of, plain_word

IMAGE_LABEL = "image_label"
"""Key of an image-level label in our JSON and in the ``params`` that a label is saved with."""
NOT_TB = "non_tb"


def film_word(word: str) -> str | None:
    """The class that a word stands for.

    Returns:
        ``tb``, ``health``, ``sick``, ``non_tb``, or None for another word.

    Example:
        >>> film_word("Normal"), film_word("not TB"), film_word("nodule")
        ('health', 'non_tb', None)
    """
    return NOT_TB if plain_word(word) in (NOT_TB, "not_tb", "no_tb") else class_of(word)


def film_class(said: Any, boxes: int) -> str:
    """The class of a film.

    Args:
        said: of the film as a whole; None or empty where nothing was said.
        boxes: how many were drawn; a film with one has TB.

    Raises:
        ValueError: a word that is not known, one that the boxes contradict, or neither word nor box.
    """
    if said is None or said == "":
        if boxes:
            return "tb"
        raise ValueError(
            f"The label has no box and does not say what the image is; draw a box, or add {IMAGE_LABEL}: non_tb, "
            "health, sick or tb."
        )
    word = ("tb" if said else NOT_TB) if isinstance(said, bool) else film_word(str(said))
    if word is None:
        raise ValueError(f"{IMAGE_LABEL} is {str(said)[:80]!r}; expected tb, non_tb, health or sick.")
    if boxes and word != "tb":
        raise ValueError(
            f"The label has {boxes} boxes of tuberculosis and calls the image {word}; remove one of the two."
        )
    return word
