from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from monai_tbkd.data import CXRReader, ImageError, ImageRules, ImageTurn, ImageWarning, ReasonCode
from monai_tbkd.data.readers import decode_image, whole_image_size
from tests.data.images_by_hand import ADULT_CHEST_PA, assert_block, block_image, make_dicom

CR = "1.2.840.10008.5.1.4.1.1.1"
DX_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
CT = "1.2.840.10008.5.1.4.1.1.2"
EVERYTHING = ImageRules(min_age=0, secondary_capture=True, any_view=True, any_body_part=True)


def image(folder: Path, rules: ImageRules | None = None, **elements: Any) -> Any:
    return decode_image(make_dicom(folder / "a", block_image(), **{**ADULT_CHEST_PA, **elements}), rules=rules)


def refusal(folder: Path, rules: ImageRules | None = None, **elements: Any) -> tuple[ReasonCode, str]:
    with pytest.raises(ImageError) as caught:
        image(folder, rules, **elements)
    return caught.value.reason, str(caught.value)


def code(value: str, meaning: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return [item]


def test_an_adult_frontal_chest_image_has_no_warning(tmp_path: Path) -> None:
    assert image(tmp_path).warnings == []
    assert image(tmp_path, SOPClassUID=CR, Modality="CR").warnings == []


@pytest.mark.parametrize(
    ("elements", "reason", "switch"),
    [
        ({"SOPClassUID": SECONDARY_CAPTURE}, ReasonCode.UNSUPPORTED_SOP, {"secondary_capture": True}),
        ({"Modality": "OT"}, ReasonCode.UNSUPPORTED_SOP, {"secondary_capture": True}),
        ({"SOPClassUID": CT, "Modality": "CT"}, ReasonCode.UNSUPPORTED_SOP, None),
        ({"Modality": "MG"}, ReasonCode.UNSUPPORTED_SOP, None),
        ({"SOPClassUID": DX_FOR_PROCESSING}, ReasonCode.FOR_PROCESSING, None),
        ({"PresentationIntentType": "FOR PROCESSING"}, ReasonCode.FOR_PROCESSING, None),
        ({"BodyPartExamined": "HAND"}, ReasonCode.NOT_CHEST, {"any_body_part": True}),
        ({"BodyPartExamined": "THORACIC SPINE"}, ReasonCode.NOT_CHEST, {"any_body_part": True}),
        (
            {"BodyPartExamined": "", "AnatomicRegionSequence": code("85562004", "Hand")},
            ReasonCode.NOT_CHEST,
            {"any_body_part": True},
        ),
        ({"ViewPosition": "LL"}, ReasonCode.NOT_FRONTAL, {"any_view": True}),
        ({"ViewPosition": "LATERAL"}, ReasonCode.NOT_FRONTAL, {"any_view": True}),
        ({"ViewPosition": "RLD"}, ReasonCode.NOT_FRONTAL, {"any_view": True}),
        (
            {"ViewPosition": "", "ViewCodeSequence": code("399173006", "left lateral")},
            ReasonCode.NOT_FRONTAL,
            {"any_view": True},
        ),
        ({"ViewPosition": "", "SeriesDescription": "W Chest LAT"}, ReasonCode.NOT_FRONTAL, {"any_view": True}),
        ({"PatientOrientation": ["A", "F"]}, ReasonCode.NOT_FRONTAL, {"any_view": True}),
        ({"PatientAge": "014Y"}, ReasonCode.UNDER_AGE, {"min_age": 4}),
        ({"PatientAge": "018M"}, ReasonCode.UNDER_AGE, {"min_age": 1}),
        ({"PatientAge": "14 Y"}, ReasonCode.UNDER_AGE, {"min_age": 14}),
        (
            {"PatientAge": "040Y", "PatientBirthDate": "20210101", "StudyDate": "20250301"},
            ReasonCode.UNDER_AGE,
            {"min_age": 4},
        ),
        ({"PatientOrientation": ["F", "A"]}, ReasonCode.NOT_FRONTAL, {"any_view": True}),
        (
            {"PatientAge": "", "PatientBirthDate": "20100302", "StudyDate": "20250301"},
            ReasonCode.UNDER_AGE,
            {"min_age": 14},
        ),
    ],
)
def test_refused_by_tag_unless_allowed(
    tmp_path: Path, elements: dict[str, Any], reason: ReasonCode, switch: dict[str, Any] | None
) -> None:
    found, sentence = refusal(tmp_path, **elements)
    assert found is reason
    if switch is None:
        assert refusal(tmp_path, EVERYTHING, **elements)[0] is reason
    else:
        assert next(iter(switch)) in sentence  # the mend is named
        assert_block(image(tmp_path, ImageRules(**switch), **elements).pixels, 200, 10)


@pytest.mark.parametrize(
    ("elements", "warning"),
    [
        ({"ViewPosition": ""}, ImageWarning.VIEW_UNKNOWN),
        ({"ViewPosition": "", "SeriesDescription": "CHEST PA AND LAT"}, ImageWarning.VIEW_UNKNOWN),
        ({"BodyPartExamined": None}, ImageWarning.BODY_PART_UNKNOWN),
        ({"PatientAge": None}, ImageWarning.AGE_UNKNOWN),
        ({"PatientAge": "", "PatientBirthDate": "19000101", "StudyDate": "20250301"}, ImageWarning.AGE_UNKNOWN),
        ({"PatientAge": "000Y"}, ImageWarning.AGE_UNKNOWN),
        ({"ViewPosition": "UNKNOWN"}, ImageWarning.VIEW_UNKNOWN),
        ({"BodyPartExamined": "UNKNOWN"}, ImageWarning.BODY_PART_UNKNOWN),
        ({"PatientOrientation": ""}, ImageWarning.ORIENTATION_UNKNOWN),
        ({"PatientOrientation": ["L", "L"]}, ImageWarning.ORIENTATION_UNKNOWN),
        ({"BurnedInAnnotation": "YES"}, ImageWarning.BURNED_IN_ANNOTATION),
        ({"SOPClassUID": "", "Modality": ""}, ImageWarning.MODALITY_UNKNOWN),
    ],
)
def test_what_is_not_known_is_a_warning(tmp_path: Path, elements: dict[str, Any], warning: ImageWarning) -> None:
    path = make_dicom(tmp_path / "a", block_image(), **ADULT_CHEST_PA)
    ds = pydicom.dcmread(path)
    for key, value in elements.items():
        setattr(ds, key, value)
    ds.save_as(path)
    assert decode_image(path).warnings == [warning]
    assert warning.meaning


@pytest.mark.parametrize(
    "elements",
    [
        {"ViewPosition": "PA ERECT"},
        {"ViewPosition": "P.A."},
        {"ViewPosition": "POSTERO-ANTERIOR"},
        {"BodyPartExamined": "TORACE"},
        {"ViewPosition": "AP"},
        {"ViewPosition": "", "ViewCodeSequence": code("272479007", "postero-anterior")},
        {"ViewPosition": "", "SeriesDescription": "view: PA"},
        {"BodyPartExamined": "THORAX"},
        {"BodyPartExamined": "", "AnatomicRegionSequence": code("816094009", "Chest")},
        {"PatientAge": "015Y"},
        {"PatientAge": "62"},
        {"PatientAge": "", "PatientBirthDate": "20100301", "StudyDate": "20250301"},
        {"PatientAge": "", "PatientBirthDate": "19000101", "StudyDate": "20250301", "BodyPartExamined": "CHEST"},
    ],
)
def test_accepted_in_every_spelling(tmp_path: Path, elements: dict[str, Any]) -> None:
    unknown = {ImageWarning.AGE_UNKNOWN} if elements.get("PatientBirthDate") == "19000101" else set()
    assert set(image(tmp_path, **elements).warnings) == unknown


def test_no_message_holds_the_patients_age(tmp_path: Path) -> None:
    _, sentence = refusal(tmp_path, PatientAge="009Y")
    assert "9" not in sentence.replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (["L", "F"], ImageTurn()),
        (["R", "F"], ImageTurn(flip_columns=True)),
        (["L", "H"], ImageTurn(flip_rows=True)),
        (["R", "H"], ImageTurn(flip_rows=True, flip_columns=True)),
        (["F", "L"], ImageTurn(transpose=True)),
        (["H", "R"], ImageTurn(True, True, True)),
        (["LP", "FA"], ImageTurn()),
        ("", ImageTurn()),
    ],
)
def test_images_are_turned_upright_as_their_tag_says(tmp_path: Path, orientation: Any, turn: ImageTurn) -> None:
    upright = block_image()
    stored = upright[:, ::-1] if turn.flip_columns else upright
    stored = stored[::-1] if turn.flip_rows else stored
    stored = np.ascontiguousarray(stored.T if turn.transpose else stored)
    path = make_dicom(
        tmp_path / "a", stored, **{**ADULT_CHEST_PA, "PatientOrientation": orientation, "PixelSpacing": [0.2, 0.1]}
    )
    found = decode_image(path)
    assert found.turn == turn
    assert_block(found.pixels, 200, 10)
    assert whole_image_size(path) == found.pixels.shape
    assert found.spacing_mm == ((0.1, 0.2) if turn.transpose else (0.2, 0.1))


@pytest.mark.parametrize("keyword", ["Modality", "BodyPartExamined", "ViewPosition"])
def test_an_element_that_runs_over_the_patients_name_does_not_carry_it_out(tmp_path: Path, keyword: str) -> None:
    # One damaged length: the element swallows its neighbors.
    path = make_dicom(tmp_path / "a", block_image(), **ADULT_CHEST_PA)
    ds = pydicom.dcmread(path)
    ds[keyword].VR = "LO"
    setattr(ds, keyword, f"{ds.get(keyword)} PN Secret^Patient"[:64])
    ds.save_as(path)
    try:
        decode_image(path)
    except ImageError as error:
        assert "secret" not in str(error).removeprefix(str(path)).casefold()


def test_an_unknown_view_stays_unknown_where_any_view_is_taken(tmp_path: Path) -> None:
    assert image(tmp_path, ImageRules(any_view=True), ViewPosition="").warnings == [ImageWarning.VIEW_UNKNOWN]


def test_the_reader_hands_rules_turn_and_warnings_on(tmp_path: Path) -> None:
    path = make_dicom(
        tmp_path / "a", block_image(), **{**ADULT_CHEST_PA, "PatientOrientation": ["R", "F"], "ViewPosition": "LL"}
    )
    reader = CXRReader(any_view=True)
    _, meta = reader.get_data(reader.read(path))
    assert meta["turn"] == "C"
    assert meta["warnings"] == ""
    with pytest.raises(ImageError):
        CXRReader().get_data([path])


def test_an_age_below_0_is_no_rule() -> None:
    with pytest.raises(ValueError, match="min_age"):
        ImageRules(min_age=-1)


def test_a_uid_that_runs_over_the_patients_name_is_none(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a", block_image(), **ADULT_CHEST_PA)
    ds = pydicom.dcmread(path)
    ds["SOPInstanceUID"].VR = "LO"
    ds.SOPInstanceUID = "1.2.3 PN Secret^Patient"
    ds.save_as(path)
    assert decode_image(path).sop_instance_uid == ""
