"""The DICOM results of a film together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from monai_tbkd.dicom.film_results import film_results
from monai_tbkd.dicom.source_film import SourceFilm
from tests.dicom.dicom_films import TWO_BOXES, complete_film, finding


@pytest.mark.parametrize("kind", ["sr", "sc", "gsps"])
def test_where_people_read_them_they_say_that_a_model_knows_phantoms_alone(kind: str, tmp_path: Path) -> None:
    source = SourceFilm.read(complete_film(tmp_path / "film.dcm"))
    known = finding(*TWO_BOXES)
    strange = replace(known, model_version="monai_tbkd 0.1.0, 0a1b, phantom films only")
    for model, said in ((known, False), (strange, True)):
        result = film_results(source, model, [kind])[kind]
        texts = [
            str(element.value).lower() for element in result.iterall() if element.VM and element.tag.group < 0x7FE0
        ]
        assert any("research use only, not for diagnosis" in text for text in texts)
        assert any("trained on phantom films, knows no real film" in text for text in texts) is said
