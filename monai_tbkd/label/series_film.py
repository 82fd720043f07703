"""The one film of a DICOM series that a model is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai_tbkd.data import CXRReader, FilmError, ReasonCode
from monai_tbkd.label.film_options import FilmOptions
from monai_tbkd.label.film_pipeline import FilmPipeline
from monai_tbkd.label.film_result import FilmResult


def look_at(pipeline: FilmPipeline, path: Path, options: FilmOptions) -> tuple[FilmResult, dict[str, Any]]:
    """Look at a film, or at the frontal film of a series.

    A series may hold a frontal and a lateral view. Where all but one of its films are refused, the one is looked at;
    where none or several are left, the series is refused, since an answer has to be of one film.

    Args:
        pipeline: the model.
        path: a film, or a folder with the films of a series.
        options: of the request.

    Returns:
        The finding, and facts on the series: how many films it has, and what was left out.
    """
    if not path.is_dir():
        return pipeline(path, options), {}
    films = _files(path)
    if len(films) == 1:
        return pipeline(films[0], options), {}
    findings = [pipeline(film, options) for film in films]
    usable = [each for each in findings if each.reason is None]
    refused = [each for each in findings if each.reason is not None]
    facts = {"films_in_series": len(films), "left_out": sorted(each.reason.value for each in refused if each.reason)}
    if len(usable) == 1:
        return usable[0], facts
    if not usable and findings:
        return findings[0], facts
    detail = f"a series of {len(films)} films, {len(usable)} of them frontal; expected one frontal film a series"
    return FilmResult(str(path), reason=ReasonCode.MULTI_FRAME, detail=detail), facts


def frontal_film(path: Path) -> Path:
    """The file of a film, or of the one film of a series that the reader's rules take.

    Raises:
        ValueError: a series without a single such film.
    """
    if not path.is_dir():
        return path
    films = _files(path)
    if len(films) > 1:
        films = [each for each in films if _is_taken(each)]
    if len(films) != 1:
        raise ValueError(f"A series with {len(films)} frontal films; expected one.")
    return films[0]


def _files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))


def _is_taken(film: Path) -> bool:
    try:
        CXRReader().get_data([film])
    except FilmError:
        return False
    return True
