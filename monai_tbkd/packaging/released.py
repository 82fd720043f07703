"""The model that comes with the package."""

from __future__ import annotations

from pathlib import Path

MODEL, POINT, CARD, LICENSE = "model.pt", "operating_point.json", "model_card.md", "LICENSE"
"""Files of the released model; the record ``model.json`` stands beside its weights as beside any checkpoint."""


def released_folder() -> Path:
    """Where the released model is, or would be: ``monai_tbkd/models``."""
    return Path(__file__).resolve().parents[1] / "models"


def released_model() -> Path:
    """The folder of the released model.

    Raises:
        FileNotFoundError: it did not come along, as in a checkout before ``make release-model``.
    """
    folder = released_folder()
    if not (folder / MODEL).is_file():
        raise FileNotFoundError(
            f"The released model is not in this installation (there is no {folder / MODEL}). A wheel brings it; in a "
            "checkout `make release-model` puts it there. Or give a model of your own with --ckpt_dir."
        )
    return folder


def models_folder(bundle_root: str | Path) -> str:
    """The models of an inference that is given none: those of its bundle, or else the released model.

    Args:
        bundle_root: folder of the bundle; a model that was trained there is in its ``models``.

    Returns:
        The bundle's folder too where there is no released model.
    """
    own = Path(bundle_root) / "models"
    is_released = not (own / MODEL).is_file() and (released_folder() / MODEL).is_file()
    return str(released_folder() if is_released else own)


def called(folder: str | Path) -> str:
    """How messages call a folder of models.

    Example:
        >>> called("outputs/models"), called(released_folder())
        ('outputs/models', 'the released model')
    """
    return "the released model" if Path(folder).resolve() == released_folder() else str(folder)
