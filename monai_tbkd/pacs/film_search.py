"""The films of an archive that have no results yet."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pydicom import Dataset

from monai_tbkd.data import FilmError, ReasonCode
from monai_tbkd.dicom import (
    box_report,
    is_own_result,
    is_refusal,
    is_result_of,
    referenced_instances,
    result_series,
)
from monai_tbkd.pacs.archive import Archive, FilmAddress
from monai_tbkd.pacs.archive_connection import ArchiveError, ArchiveRefusalError
from monai_tbkd.transforms import NOTICE

logger = logging.getLogger(__name__)

MODALITIES = ("CR", "DX")
_STUDY_KEYS = (
    "AccessionNumber", "IssuerOfPatientID", "PatientBirthDate", "PatientID", "PatientName", "PatientSex",
    "ReferringPhysicianName", "StudyDate", "StudyDescription", "StudyID", "StudyInstanceUID", "StudyTime",
)  # fmt: skip
_SERIES_KEYS = (
    "BodyPartExamined", "Manufacturer", "PerformedProcedureStepStartDate", "ProtocolName", "SeriesDate",
    "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "StationName",
)  # fmt: skip


class StudyQuery(NamedTuple):
    """Search keys by the level that they are of."""

    study: dict[str, str]
    series: dict[str, str]

    @classmethod
    def parse(cls, words: Sequence[str]) -> StudyQuery:
        """Parse ``KEY=VALUE`` each: a DICOM keyword; a value, a range (``20260101-20261231``), or ``*`` and ``?``.

        Raises:
            ValueError: no such key, no value, or a key twice.

        Example:
            >>> StudyQuery.parse(["StudyDate=20260101-", "BodyPartExamined=CHEST"])
            StudyQuery(study={'StudyDate': '20260101-'}, series={'BodyPartExamined': 'CHEST'})
        """
        query = cls({}, {})
        for word in words:
            key, _, value = word.partition("=")
            if not value.strip():
                raise ValueError(f"query {key!r} has no value; expected KEY=VALUE, like StudyDate=20260101-20261231.")
            level = query.study if key in _STUDY_KEYS else query.series if key in _SERIES_KEYS else None
            if level is None:
                known = ", ".join((*_STUDY_KEYS, *_SERIES_KEYS))
                raise ValueError(f"query {key!r} is no key that can be searched for; expected one of {known}.")
            if key in level:
                raise ValueError(f"query {key!r} is given twice; run the command once for each value.")
            level[key] = value.strip()
        return query


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
        skip: status of images that need no second look, as those that were refused before, by SOP instance UID.
        limit: most images to give; None gives all.
        again: give also the images whose report says that they were refused.
        each_study: called after each study.

    Attributes:
        counts: ``studies`` looked at; ``films`` in them; of these ``with_results``, ``skipped``, ``skipped_<status>``
            and ``given``.
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

    def studies(self) -> list[str]:
        """List the studies that the query finds, before any is looked into."""
        return list(self.archive.studies(MODALITIES, self.query.study))

    def films(self, studies: Sequence[str]) -> Iterator[FoundFilm]:
        """Give the images to do, one study (a UID) after the other, each once."""
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
        try:
            return self._films_of(study)
        except ArchiveRefusalError as refusal:
            detail = str(refusal)
        except ArchiveError:
            raise
        except Exception as error:  # whatever pydicom raises on an odd element of a report; its words may quote it
            logger.debug("studies/%s", study, exc_info=error)
            detail = f"a report in it has metadata that cannot be read ({type(error).__name__})"
        address = FilmAddress(study, "", study)
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
        left = [film for film in films if not self._is_done(film.address, reported.get(film.address.instance), there)]
        self.counts["with_results"] += len(films) - len(left)
        skipped = [film for film in left if film.address.instance in self.skip]
        self.counts["skipped"] += len(skipped)
        self.counts.update(f"skipped_{self.skip[each.address.instance]}" for each in skipped)
        return [film for film in left if film.address.instance not in self.skip]

    def _is_done(self, address: FilmAddress, report: Dataset | None, series: set[str]) -> bool:
        """Whether an image has all that is wanted, by the UIDs that its results have."""
        if report is None:
            return False
        if is_refusal(report):
            return not self.again
        without = set() if box_report(report).boxes else {"seg_boxes"}
        expected = result_series(address.study, address.instance, self.model_version)
        if str(report.get("SeriesInstanceUID")) != expected["sr"]:  # of another version, whose UIDs are not known
            return True
        return all(expected[kind] in series for kind in self.kinds if kind not in without)


def reported_films(reports: Iterable[Dataset], model_version: str) -> dict[str, Dataset]:
    """Find the images that have a report of a model, by the evidence of the reports.

    Args:
        reports: headers of structured reports, of any program.
        model_version: of the reports that count.

    Returns:
        By SOP instance UID the report; one with a score goes before one that says why there is none.
    """
    own = sorted((report for report in reports if is_result_of(report, model_version)), key=is_refusal, reverse=True)
    evidence = "CurrentRequestedProcedureEvidenceSequence"
    return {uid: report for report in own for uid, _ in referenced_instances(report, evidence)}
