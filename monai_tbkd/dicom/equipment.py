"""Who made a DICOM result, by what version, and under which identifiers."""

from __future__ import annotations

import uuid
from typing import Any

import highdicom as hd
from pydicom import Dataset
from pydicom.sr.codedict import codes

from monai_tbkd import __version__
from monai_tbkd.data.own_results import MANUFACTURER, MODEL_NAME, is_own_result
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom.film_finding import FilmFinding
from monai_tbkd.dicom.source_film import SourceFilm

ALGORITHM = "monai_tbkd tuberculosis localization"
DRAWN_BY_ANNOTATOR = "drawn by an annotator"
"""How the version begins in a result that tells what a person drew."""
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "monai_tbkd.dicom")
_LONGEST = 64  # characters of a VR LO


def result_uid(source: SourceFilm, finding: FilmFinding, *what: str) -> hd.UID:
    """A UID that the same finding on the same film gets every time, so that going on with a run makes no doubles.

    It is made from a name-based UUID (PS3.5, B.2), so it gives nothing of the patient away.

    Args:
        source: the film.
        finding: what was found; another model, threshold, score or box is another result.
        what: words that tell the objects of one finding, and what is in them, apart.
    """
    return named_uid(str(source.header.StudyInstanceUID), source.uid, finding.digest, *what)


def named_uid(study: str, image: str, digest: str, *what: str) -> hd.UID:
    """The same for an image that is not at hand.

    Args:
        study: StudyInstanceUID.
        image: SOPInstanceUID.
        digest: of `FilmFinding`.
        what: as for `result_uid`.
    """
    name = "/".join((study, image, __version__, digest, *what))
    return hd.UID(f"2.25.{uuid.uuid5(_NAMESPACE, name).int}")


def device_uid(finding: FilmFinding) -> hd.UID:
    """Of this version with this model, as an observer that reports name it."""
    return hd.UID(f"2.25.{uuid.uuid5(_NAMESPACE, 'device/' + finding.model_version).int}")


def contributing_equipment(finding: FilmFinding) -> hd.ContributingEquipment:
    """The item that every result has beside that of the X-ray machine."""
    return hd.ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=MODEL_NAME,
        software_versions=_long_string(finding.model_version),
        contribution_description="Tuberculosis localization. Research use only, not for diagnosis",
    )


def algorithm_sequence(finding: FilmFinding) -> hd.AlgorithmIdentificationSequence:
    """The algorithm, for segments."""
    return hd.AlgorithmIdentificationSequence(
        name=ALGORITHM,
        version=_long_string(finding.model_version),
        family=codes.DCM.ArtificialIntelligence,
        source=MANUFACTURER,
    )


def series_of(
    source: SourceFilm, finding: FilmFinding, kind: str, number: int, description: str, serial: bool = True
) -> dict[str, Any]:
    """What a builder of highdicom asks of every result: a series of its own for each kind of result of a film.

    Args:
        source: the film.
        finding: what was found.
        kind: of result; part of the UIDs.
        number: of the series.
        description: of the series, ending with the notice, at most 64 characters; the numbers of the image's series
            and of the image come before the notice, so that the results of two images can be told apart.
        serial: whether the builder asks for a serial number.
    """
    given: dict[str, Any] = {
        "series_instance_uid": result_uid(source, finding, kind, "series"),
        "series_number": number,
        "sop_instance_uid": result_uid(source, finding, kind, "instance"),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MODEL_NAME,
        "software_versions": _long_string(finding.model_version),
        "series_description": _numbered(source, description),
        "contributing_equipment": [contributing_equipment(finding)],
    }
    return given | {"device_serial_number": _long_string(finding.model_version)} if serial else given


def is_result_of(dataset: Dataset, model_version: str) -> bool:
    """Whether a data set is a result of this program with this very model.

    Args:
        dataset: all of it, or its header.
        model_version: as `FilmFinding` has it.
    """
    version = dataset.get("SoftwareVersions") or ""
    stated = str(version if isinstance(version, str) else version[0]).strip()
    return is_own_result(dataset) and stated == _long_string(model_version)


def _numbered(source: SourceFilm, description: str) -> str:
    what, comma, notice = description.partition(", ")
    with quiet_pydicom():
        try:
            numbers = [int(source.header.get(key)) for key in ("SeriesNumber", "InstanceNumber")]
        except Exception:  # none, or whatever pydicom raises on an odd one
            return description
    numbered = f"{what} {numbers[0]}/{numbers[1]}{comma}{notice}"
    return numbered if len(numbered) <= _LONGEST else description


def _long_string(text: str) -> str:
    return text[:_LONGEST].replace("\\", "/") or "unknown"
