"""The films of an archive that have no results yet."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pydicom import Dataset

from monai_tbkd.data import FilmError, ReasonCode
from monai_tbkd.dicom import is_own_result, is_refusal, result_series
from monai_tbkd.pacs.archive import Archive, FilmAddress
from monai_tbkd.pacs.archive_error import ArchiveError, ArchiveRefusalError
from monai_tbkd.pacs.study_query import StudyQuery
from monai_tbkd.pacs.study_results import has_boxes, reported_films
from monai_tbkd.transforms import NOTICE

logger = logging.getLogger(__name__)

MODALITIES = ("CR", "DX")


class FoundFilm(NamedTuple):
    """An image of the archive, its number of pixels (0 where the archive does not tell), and why it cannot be had."""

    address: FilmAddress
    pixels: int = 0
    error: FilmError | None = None


class FilmSearch:
    """Go through the studies of an archive and give the images that are to be done.

    An image is done when its study has a structured report of this program, of the same model, that refers to it, and
    the other kinds of results that are wanted. So the archive alone decides, and a second machine skips what the first
    has done. A study that the archive does not tell of is given as one image that cannot be had.

    Args:
        archive: to look into.
        query: which studies and series.
        model_version: of the results that count.
        kinds: of results that are wanted; `monai_tbkd.dicom.KINDS`.
        skip: SOP instance UIDs of images that need no second look, as those that were refused before, and their status.
        limit: most images to give; None gives all.
        again: give also the images whose report says that they were refused.
        each_study: called after each study.
    """

    def __init__(
        self,
        archive: Archive,
        query: StudyQuery,
        model_version: str,
        kinds: Sequence[str] = ("sr",),
        skip: Mapping[str, str] | None = None,
        limit: int | None = None,
        again: bool = False,
        each_study: Callable[[], None] = lambda: None,
    ) -> None:
        self.archive, self.query, self.model_version, self.kinds = archive, query, model_version, kinds
        self.skip, self.limit, self.again, self.each_study = skip or {}, limit, again, each_study
        self.counts: Counter[str] = Counter()
        """``studies`` looked at; ``films`` in them; of these ``with_results``, ``skipped``, ``skipped_<status>`` and
        ``given``."""

    def studies(self) -> list[str]:
        """The studies that the query finds, before any is looked into."""
        return list(self.archive.studies(MODALITIES, self.query.study))

    def films(self, studies: Sequence[str]) -> Iterator[FoundFilm]:
        """Look into studies.

        Args:
            studies: their UIDs.

        Yields:
            The images to do, one study after the other, each once.
        """
        given: set[str] = set()
        for study in studies:
            for film in self._of_study(study):
                if film.address.instance in given:  # a copy in two studies: the next pass does the other
                    continue
                if self.limit is not None and self.counts["given"] >= self.limit:
                    return
                given.add(film.address.instance)
                self.counts["given"] += 1
                yield film
            self.counts["studies"] += 1
            self.each_study()

    def _of_study(self, study: str) -> list[FoundFilm]:
        address = FilmAddress(study, "", study)
        try:
            return self._films_of(study)
        except ArchiveRefusalError as refusal:
            return [FoundFilm(address, error=FilmError(ReasonCode.NOT_FETCHED, address.path, str(refusal)))]
        except ArchiveError:
            raise
        except Exception as error:  # whatever pydicom raises on an odd element of a report; its words may quote it
            logger.debug("%s", address.path, exc_info=error)
            detail = f"a report in it has metadata that cannot be read ({type(error).__name__})"
            return [FoundFilm(address, error=FilmError(ReasonCode.NOT_FETCHED, address.path, detail))]

    def _films_of(self, study: str) -> list[FoundFilm]:
        series = self.archive.series(study)
        # Some keys may be unknown to a server, which then takes no notice of them: the modality is looked at here.
        asked = self.archive.series(study, self.query.series) if self.query.series else series
        films = [
            FoundFilm(*film)
            for each in asked
            if each.modality in MODALITIES and NOTICE not in each.description
            for film in self.archive.films(study, each)
        ]
        films = list({film.address.instance: film for film in films}.values())
        self.counts["films"] += len(films)
        if not films:
            return []
        reports = [
            header
            for each in series
            # Other reports, as those of the dose, are not even read, where the server tells the description.
            if each.modality == "SR" and (not each.description or NOTICE in each.description)
            for header in self.archive.headers(study, each.uid)
            if is_own_result(header)
        ]
        reported, there = reported_films(reports, self.model_version), {each.uid for each in series}
        left = [film for film in films if not self._is_done(film, reported.get(film.address.instance), there)]
        self.counts["with_results"] += len(films) - len(left)
        to_do = [film for film in left if film.address.instance not in self.skip]
        self.counts["skipped"] += len(left) - len(to_do)
        self.counts.update(f"skipped_{self.skip[each.address.instance]}" for each in left if each not in to_do)
        return to_do

    def _is_done(self, film: FoundFilm, report: Dataset | None, series: set[str]) -> bool:
        """Whether an image has all that is wanted, by the UIDs that its results have."""
        if report is None:
            return False
        if is_refusal(report):
            return not self.again
        address, without = film.address, set() if has_boxes(report) else {"seg_boxes"}
        expected = result_series(address.study, address.instance, self.model_version)
        if str(report.get("SeriesInstanceUID")) != expected["sr"]:  # of another version, whose UIDs are not known
            return True
        return all(expected[kind] in series for kind in self.kinds if kind not in without)
