"""The films of an archive that have no results yet."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from monai_tbkd.dicom import is_own_result
from monai_tbkd.pacs.archive import Archive, FilmAddress
from monai_tbkd.pacs.study_query import StudyQuery
from monai_tbkd.pacs.study_results import reported_films
from monai_tbkd.transforms import NOTICE

logger = logging.getLogger(__name__)

MODALITIES = ("CR", "DX")


class FoundFilm(NamedTuple):
    """A film of the archive, and its number of pixels (0 where the archive does not tell)."""

    address: FilmAddress
    pixels: int


class FilmSearch:
    """Go through the studies of an archive and give the films that are to be done.

    A film is done when its study has a structured report of this program, of the same model, that refers to it. So the
    archive alone decides, and a second machine skips what the first has done.

    Args:
        archive: to look into.
        query: which studies and series.
        model_version: of the results that count.
        skip: tells by a SOP instance UID whether a film needs no second look, as one that was refused before.
        limit: most films to give; None gives all.
        each_study: called after each study.
    """

    def __init__(
        self,
        archive: Archive,
        query: StudyQuery,
        model_version: str,
        skip: Callable[[str], bool] = lambda uid: False,
        limit: int | None = None,
        each_study: Callable[[], None] = lambda: None,
    ) -> None:
        self.archive, self.query, self.model_version = archive, query, model_version
        self.skip, self.limit, self.each_study = skip, limit, each_study
        self.counts: Counter[str] = Counter()
        """``studies`` looked at; ``films`` in them; of these ``with_results``, ``skipped`` and ``given``."""

    def studies(self) -> list[str]:
        """The studies that the query finds, before any is looked into."""
        return list(self.archive.studies(MODALITIES, self.query.study))

    def films(self, studies: Sequence[str]) -> Iterator[FoundFilm]:
        """Look into studies.

        Args:
            studies: their UIDs.

        Yields:
            The films without results, one study after the other.
        """
        for study in studies:
            for film in self._films_of(study):
                if self.limit is not None and self.counts["given"] >= self.limit:
                    return
                self.counts["given"] += 1
                yield film
            self.counts["studies"] += 1
            self.each_study()

    def _films_of(self, study: str) -> list[FoundFilm]:
        series = self.archive.series(study)
        # Some keys may be unknown to a server, which then takes no notice of them: the modality is looked at here.
        asked = self.archive.series(study, self.query.series) if self.query.series else series
        films = [
            FoundFilm(*film)
            for each in asked
            if each["modality"] in MODALITIES and NOTICE not in each["description"]
            for film in self.archive.films(study, each["uid"])
        ]
        self.counts["films"] += len(films)
        if not films:
            return []
        reports = [
            header
            for each in series
            # Other reports, as those of the dose, are not even read, where the server tells the description.
            if each["modality"] == "SR" and (not each["description"] or NOTICE in each["description"])
            for header in self.archive.headers(study, each["uid"])
            if is_own_result(header)
        ]
        done = reported_films(reports, self.model_version)
        left = [film for film in films if film.address.instance not in done]
        self.counts["with_results"] += len(films) - len(left)
        to_do = [film for film in left if not self.skip(film.address.instance)]
        self.counts["skipped"] += len(left) - len(to_do)
        return to_do
