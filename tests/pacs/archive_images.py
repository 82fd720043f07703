"""Images for an archive: small phantom chests as CR and DX files, and what a command says of them."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.uid import DigitalXRayImageStorageForPresentation, generate_uid

from tests.conftest import SMALL_RECIPE
from tests.data.golden_dicom import write_image
from tests.dicom.dicom_images import COMPLETE
from tests.pacs.orthanc_server import SR, OrthancServer

DX = {
    "SOPClassUID": DigitalXRayImageStorageForPresentation,
    "Modality": "DX",
    "PresentationIntentType": "FOR PRESENTATION",
}


def uid(*words: str) -> str:
    return generate_uid(entropy_srcs=list(words))


def chest(path: Path, phantoms: Path, number: int = 0, study: str = "", **elements: Any) -> Path:
    """A phantom chest as a 12-bit CR image; elements by keyword replace. Its UIDs are made from the file's name."""
    pictures = sorted((phantoms / "imgs").rglob("*.png"))
    with Image.open(pictures[number % len(pictures)]) as picture:
        stored = np.asarray(picture.convert("L")).astype(np.uint16) * 16
    if elements.get("PhotometricInterpretation") == "MONOCHROME1":
        stored = 4095 - stored
    study = study or path.stem
    elements = {
        "SOPInstanceUID": uid("image", path.stem), "StudyInstanceUID": uid("study", study),
        "SeriesInstanceUID": uid("series", study, elements.get("Modality", "CR")),
        "PatientID": f"secret-{study}", **elements,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_image(path, stored, 12, **{**COMPLETE, **elements})


def command(server: OrthancServer, models: Path, output: Path, *more: str) -> list[str]:
    """The command line, for the tiny model of the tests."""
    settings = ["device=$torch.device('cpu')", "check_frontal=off", "score_threshold=0.0"]
    settings += ["map_threshold=0.5", "threshold_mode=relative"]  # boxes on every image
    head = ["pacs", "--url", server.url, "--output", str(output), "--ckpt_dir", str(models), "--patience", "20"]
    return [*head, "--config", str(SMALL_RECIPE), "--set", *settings, *more]


def rows(output: Path) -> dict[str, dict[str, str]]:
    """Rows of predictions.csv by SOP instance UID; none is there twice."""
    with (output / "predictions.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert len({row["name"] for row in found}) == len(found)
    return {row["name"]: row for row in found}


def results_by_image(server: OrthancServer, sop_class: str = SR) -> Counter[str]:
    """How many of our results of a kind each image has, by what they refer to."""
    found: Counter[str] = Counter()
    for each in server.instances(sop_class):
        if each.get("Manufacturer") != "monai_tbkd":
            continue
        for image in images_of(each):
            found[image] += 1
    return found


def images_of(tags: dict[str, Any]) -> set[str]:
    """The images that a result refers to."""
    evidence = tags.get("CurrentRequestedProcedureEvidenceSequence", [])
    series = [each for study in evidence for each in study["ReferencedSeriesSequence"]]
    items = [i for s in series for i in s["ReferencedSOPSequence"]]
    items += [i for s in tags.get("ReferencedSeriesSequence", []) for i in s["ReferencedInstanceSequence"]]
    items += tags.get("SourceImageSequence", [])
    return {str(item["ReferencedSOPInstanceUID"]) for item in items}
