"""Find the images of an archive that have no results yet."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pydicom import Dataset

from monai_tbkd.data import ImageError, ReasonCode
from monai_tbkd.data.files.own_results import is_own_result
from monai_tbkd.dicom import box_report, is_refusal, is_result_of, referenced_instances, result_series
from monai_tbkd.pacs.archive import Archive, ImageAddress
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
    """Search keys of studies and of series."""

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


class FoundImage(NamedTuple):
    """An image of the archive, its number of pixels (0 if unknown), and the error if it cannot be fetched."""

    address: ImageAddress
    pixels: int = 0
    error: ImageError | None = None


class ImageSearch:
    """Go through the studies of an archive and yield the images that lack results.

    An image is done when its study has a structured report of the same model that refers to it, and the other wanted
    kinds of results. Only the archive decides, so a second machine skips what the first has done. A study that cannot
    be read is yielded as one image with an error.

    Args:
        archive: to search.
        query: which studies and series.
        model_version: of the results that count.
        kinds: wanted results, some of `monai_tbkd.dicom.KINDS`.
        skip: by SOP instance UID the status of images to skip, such as those that were refused before.
        limit: maximum number of images; None for all.
        again: include the images whose report says that they were refused.

    Attributes:
        counts: ``studies`` searched; ``images`` in them; of these ``with_results``, ``skipped``, ``skipped_<status>``
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
    ) -> None:
        self.archive, self.query, self.model_version, self.kinds = archive, query, model_version, kinds
        self.skip, self.limit, self.again = skip or {}, limit, again
        self.counts: Counter[str] = Counter()

    def studies(self) -> list[str]:
        """List the studies that match the query."""
        return list(self.archive.studies(MODALITIES, self.query.study))

    def images(self, studies: Sequence[str], each_study: Callable[[], None] = lambda: None) -> Iterator[FoundImage]:
        """Yield the images to process of studies (UIDs), each once; `each_study` is called after each study."""
        given: set[str] = set()
        for study in studies:
            for image in self._of_study(study):
                if image.address.instance in given:  # a copy in two studies: the next pass processes the other
                    continue
                if self.limit is not None and self.counts["given"] >= self.limit:
                    return
                given.add(image.address.instance)
                self.counts["given"] += 1
                yield image
            self.counts["studies"] += 1
            each_study()

    def _of_study(self, study: str) -> list[FoundImage]:
        try:
            return self._images_of(study)
        except ArchiveRefusalError as refusal:
            detail = str(refusal)
        except ArchiveError:
            raise
        except Exception as error:  # pydicom raises all kinds on a report's elements; its message may quote them
            logger.debug("studies/%s", study, exc_info=error)
            detail = f"a report in it has metadata that cannot be read ({type(error).__name__})"
        address = ImageAddress(study, "", study)
        return [FoundImage(address, error=ImageError(ReasonCode.NOT_FETCHED, address.path, detail))]

    def _images_of(self, study: str) -> list[FoundImage]:
        series = self.archive.series(study)
        # Servers ignore keys that they do not know, so the modality is checked here.
        asked = self.archive.series(study, self.query.series) if self.query.series else series
        images = [
            FoundImage(*image)
            for each in asked
            if each.modality in MODALITIES and NOTICE not in each.description
            for image in self.archive.images(study, each)
        ]
        images = list({image.address.instance: image for image in images}.values())
        self.counts["images"] += len(images)
        if not images:
            return []
        reports = [
            header
            for each in series
            # Reports with another description, such as dose reports, are not read.
            if each.modality == "SR" and (not each.description or NOTICE in each.description)
            for header in self.archive.headers(study, each.uid)
            if is_own_result(header)
        ]
        reported, there = reported_images(reports, self.model_version), {each.uid for each in series}
        left = []
        for image in images:
            uid = image.address.instance
            if self._is_done(image.address, reported.get(uid), there):
                self.counts["with_results"] += 1
            elif uid in self.skip:
                self.counts.update(["skipped", f"skipped_{self.skip[uid]}"])
            else:
                left.append(image)
        return left

    def _is_done(self, address: ImageAddress, report: Dataset | None, series: set[str]) -> bool:
        """Whether an image has all wanted results, by their series UIDs."""
        if report is None:
            return False
        if is_refusal(report):
            return not self.again
        without = set() if box_report(report).boxes else {"seg_boxes"}
        expected = result_series(address.study, address.instance, self.model_version)
        if str(report.get("SeriesInstanceUID")) != expected["sr"]:  # of another version of this package
            return True
        return all(expected[kind] in series for kind in self.kinds if kind not in without)


def reported_images(reports: Iterable[Dataset], model_version: str) -> dict[str, Dataset]:
    """Map the images (UIDs) that a model's reports refer to, to their reports; scores go before refusals."""
    own = sorted((report for report in reports if is_result_of(report, model_version)), key=is_refusal, reverse=True)
    evidence = "CurrentRequestedProcedureEvidenceSequence"
    return {uid: report for report in own for uid, _ in referenced_instances(report, evidence)}
