"""Answers of an archive with random faults in them: each is a row or a sentence, and no other error."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from monai_tbkd.data import ImageError
from monai_tbkd.dicom import SourceImage, structured_report
from monai_tbkd.pacs import AnnotatorReports, Archive, ArchiveError, ImageSearch, StudyQuery, archive_session
from monai_tbkd.pacs.archive import ImageAddress
from tests.dicom.dicom_images import MODEL, TWO_BOXES, complete_image, finding

ODD: list[Any] = [
    None, True, 0, -1, 1e400, 2**70, "", "x", "..", "1" * 65, "\x00", [], {}, [None], [[]], [{}], {"Value": None},
    {"vr": "SQ", "Value": [1]}, {"vr": "PN", "Value": [{"Alphabetic": 1}]}, {"vr": "ZZ"}, {"BulkDataURI": "file:///x"},
]  # fmt: skip


def spoilt(answer: Any, chance: random.Random) -> Any:
    """A copy in which some places are exchanged, removed or doubled."""
    answer = copy.deepcopy(answer)
    for _ in range(chance.choice([1, 1, 2, 5])):
        node, way = answer, []
        while isinstance(node, list | dict) and node and (not way or chance.random() < 0.8):
            key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
            way.append((node, key))
            node = node[key]
        if not way:
            return copy.deepcopy(chance.choice(ODD))
        parent, key = way[-1]
        what = chance.random()
        if what < 0.7:
            parent[key] = copy.deepcopy(chance.choice(ODD))
        elif what < 0.85 and isinstance(parent, dict):
            del parent[key]
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
    return answer


class SpoiltArchive(Archive):
    """An archive of one study with an image and its report, one of whose answers is spoilt."""

    def __init__(self, report: dict[str, Any], study: str, image: str, chance: random.Random) -> None:
        url = "http://127.0.0.1:1"
        super().__init__(url, archive_session(url), 0)
        series = str(report["0020000E"]["Value"][0])
        answers = {
            "studies": [{"0020000D": {"vr": "UI", "Value": [study]}, "00201206": {"vr": "IS", "Value": [2]}}],
            "series": [
                {tag: {"vr": "UI", "Value": [value]} for tag, value in (("0020000E", uid), ("00080060", modality))}
                for uid, modality in (("1.3", "CR"), (series, "SR"))
            ],
            "instances": [{"00080018": {"vr": "UI", "Value": [image]}, "00280010": {"vr": "US", "Value": [41]}}],
            "metadata": [report],
            "POST": {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.9"]}}]}},
        }
        kind = chance.choice(list(answers))
        answers[kind] = spoilt(answers[kind], chance)

        def ask(what: str, request: Any, **options: Any) -> Any:
            if what == "store a result":
                return answers["POST"]
            path = next(cell.cell_contents for cell in request.__closure__ if isinstance(cell.cell_contents, str))
            kind = path.partition("?")[0].rsplit("/", 1)[-1]
            return answers[kind] if "offset" not in path else []

        self.connection.ask = ask  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], SourceImage]:
    source = SourceImage.read(complete_image(tmp_path_factory.mktemp("image") / "image.dcm"))
    return structured_report(source, finding(*TWO_BOXES)).to_json_dict(), source


@pytest.mark.parametrize("start", range(0, 60, 6))
def test_spoilt_answers(report: tuple[dict[str, Any], SourceImage], start: int) -> None:
    tags, source = report
    study = str(source.header.StudyInstanceUID)
    result = structured_report(source, finding())
    for seed in range(start, start + 6):
        archive = SpoiltArchive(tags, study, source.uid, random.Random(seed))
        search = ImageSearch(archive, StudyQuery({}, {"BodyPartExamined": "CHEST"}), MODEL, ("sr", "seg_boxes"))
        try:
            for image in search.images(search.studies()):
                assert image.error is not None or image.address.study == study
            list(AnnotatorReports(archive, StudyQuery({}, {})).studies())
        except ArchiveError as error:
            assert str(error).startswith(archive.url), seed
        try:
            archive.store(result, ImageAddress(study, "1.3", source.uid))
        except ImageError as error:
            assert "NOT_STORED" in str(error), seed
