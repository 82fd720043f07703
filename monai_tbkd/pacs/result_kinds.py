"""The kinds of DICOM objects that a film's results are stored as."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydicom import Dataset

from monai_tbkd.dicom import FilmFinding, SourceFilm, structured_report

REPORT = "SR"
RESULT_KINDS: dict[str, Callable[[SourceFilm, FilmFinding], Dataset]] = {
    REPORT: structured_report,
}
"""How each is made; in the order that they are stored in, the report last."""


def in_order(kinds: Sequence[str]) -> list[str]:
    """The kinds in the order that they are stored in.

    Raises:
        ValueError: no such kind, or the report, which tells that a film is done, is not among them.

    Example:
        >>> in_order(["SR"])
        ['SR']
    """
    unknown = [kind for kind in kinds if kind not in RESULT_KINDS]
    if unknown:
        raise ValueError(f"results has {', '.join(unknown)}; expected some of {', '.join(RESULT_KINDS)}.")
    if REPORT not in kinds:
        raise ValueError(f"results is {', '.join(kinds) or 'empty'}; {REPORT} is needed: it tells what is done.")
    return [kind for kind in RESULT_KINDS if kind in kinds]
