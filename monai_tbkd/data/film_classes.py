"""The three kinds of film, what data sets call them, and their label numbers."""

from __future__ import annotations

CLASS_NAMES = ("health", "sick", "tb")
"""Healthy; sick, but not of tuberculosis; tuberculosis (TBX11K's names)."""

_SYNONYMS = {
    "health": ("health", "healthy", "normal", "no_finding", "no_findings"),
    "sick": (
        "sick", "sick_non_tb", "sick_not_tb", "sick_but_no_tb", "sick_but_non_tb", "non_tb", "other", "other_disease",
        "pneumonia", "abnormal_non_tb",
    ),
    "tb": (
        "tb", "tuberculosis", "active_tb", "latent_tb", "active_tuberculosis", "latent_tuberculosis",
        "pulmonary_tuberculosis", "tb_positive",
    ),
}  # fmt: skip
_CLASS_OF = {word: name for name, words in _SYNONYMS.items() for word in words}


def class_of(word: str) -> str | None:
    """The class that a folder name or a label word stands for.

    Args:
        word: for example ``"No Finding"``; case, spaces and hyphens do not count.

    Returns:
        ``"health"``, ``"sick"``, ``"tb"``, or None.

    Example:
        >>> class_of("No Finding"), class_of("Tuberculosis"), class_of("cat")
        ('health', 'tb', None)
    """
    return _CLASS_OF.get(plain_word(word))


def plain_word(word: str) -> str:
    """A word without case, with one underscore for spaces, hyphens and underscores.

    Example:
        >>> plain_word(" No-Finding ")
        'no_finding'
    """
    return "_".join(word.strip().lower().replace("-", " ").replace("_", " ").split())


def known_words() -> str:
    """Every word that `class_of` knows, for error messages."""
    return "; ".join(f"{name}: {', '.join(words)}" for name, words in _SYNONYMS.items())


def class_label(class_name: str, num_classes: int = 2) -> int:
    """The label number of a class.

    Args:
        class_name: ``"health"``, ``"sick"`` or ``"tb"``.
        num_classes: 3 keeps the three apart (0, 1, 2); 2, and 1 (one logit), tell tuberculosis (1) from the rest (0).

    Returns:
        The label.

    Raises:
        ValueError: unknown class name or number of classes.

    Example:
        >>> class_label("tb", 2), class_label("tb", 3), class_label("sick", 2)
        (1, 2, 0)
    """
    if num_classes not in (1, 2, 3):
        raise ValueError(f"num_classes is {num_classes}; expected 1 or 2 (TB or not) or 3 (health, sick, tb).")
    if class_name not in CLASS_NAMES:
        raise ValueError(f"class name is {class_name!r}; expected one of {CLASS_NAMES}.")
    return CLASS_NAMES.index(class_name) if num_classes == 3 else int(class_name == "tb")
