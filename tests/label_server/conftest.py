"""One small model, and servers that serve it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import DigitalXRayImageStorageForPresentation, generate_uid

from monai_tbkd.label.app_folder import write_app_folder
from monai_tbkd.label.image_ids import image_id
from tests.conftest import REPOSITORY, SMALL_RECIPE, run_bundle
from tests.data.golden_dicom import write_image
from tests.dicom.dicom_images import COMPLETE
from tests.label_server.bright_images import BrightImage, bright_image, write_training_set
from tests.label_server.servers import LabelServer, label_server, orthanc, why_no_orthanc

SETTINGS = {"image_size": 128, "network_def::width": 0.25, "grid": 128, "check_frontal": "off"}
"""Over the small recipe."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the server's own environment."""
    try:
        import monailabel  # noqa: F401
    except ImportError:
        skip = pytest.mark.skip(reason="monailabel is not installed here: make test-label runs these")
        for item in items:
            if Path(item.path).parent == Path(__file__).parent:
                item.add_marker(skip)


@dataclass(frozen=True)
class KnownImage:
    """An image whose lesion is known.

    Attributes:
        id: in a folder.
        series: Series Instance UID of a DICOM image.
        image: its pixels and box.
    """

    id: str
    path: Path
    series: str
    image: BrightImage


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a teacher and a student that find bright disks, with their operating point."""
    folder = tmp_path_factory.mktemp("label_model")
    small: dict[str, Any] = {
        **SETTINGS, "dataset_dir": str(write_training_set(folder / "data")), "ckpt_dir": str(folder / "models"),
        "output_dir": str(folder / "out"), "max_epochs": 10, "batch_size": 8, "val_interval": 10, "overlays": 0,
        "learning_rate": 2e-3, "select": 0.3,
    }  # fmt: skip
    run_bundle(["train"], **small)
    run_bundle(["train", "evaluate"], **small)
    return folder / "models"


@pytest.fixture(scope="session")
def new_app(weights: Path) -> Callable[[Path], Path]:
    """Writes an app folder below a folder."""

    def write(folder: Path) -> Path:
        return write_app_folder(folder / "app", REPOSITORY / "bundle", weights, [SMALL_RECIPE], SETTINGS).root

    return write


@pytest.fixture
def app(new_app: Callable[[Path], Path], tmp_path: Path) -> Path:
    """An app folder of a test's own."""
    return new_app(tmp_path)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, KnownImage]:
    """A folder of PNG and DICOM images, some in sub-folders, of several sizes; none is square."""
    root = tmp_path_factory.mktemp("images")
    made = [
        png(root / "a.png", 1, lesion=True),
        png(root / "b.png", 2, lesion=False),
        png(root / "ward 3" / "c.png", 3, lesion=True, height=320, width=260),
        png(root / "d.jpg", 4, lesion=True),
        png(root / "i.png", 9, lesion=True),
        png(root / "j.png", 10, lesion=False),
        dicom(root / "e.dcm", 5, True, "DX"),
        dicom(root / "pacs" / "f.dcm", 6, True, "DX", inverted=True, height=300, width=220),
        dicom(root / "pacs" / "g.dcm", 7, True, "CR", inverted=True),
        dicom(root / "pacs" / "h", 8, False, "CR", height=260, width=200),
        dicom(root / "pacs" / "k.dcm", 11, True, "CR"),
    ]
    return {each.path.stem: each for each in made}


def png(path: Path, seed: int, lesion: bool, **size: int) -> KnownImage:
    """A PNG or JPEG image, by the suffix."""
    path.parent.mkdir(exist_ok=True)
    image = bright_image(seed, lesion, **size)
    Image.fromarray(np.rint(image.pixels * 255).astype(np.uint8)).save(path)
    return KnownImage(
        image_id(f"{path.parent.name}/{path.name}" if path.parent.name == "ward 3" else path.name), path, "", image
    )


def dicom(path: Path, seed: int, lesion: bool, modality: str, inverted: bool = False, **size: int) -> KnownImage:
    """A DICOM image of 12 bits with a window."""
    path.parent.mkdir(exist_ok=True)
    image = bright_image(seed, lesion, **size)
    stored = np.rint(500 + image.pixels * 3000).astype(np.uint16)
    stored = 4095 - stored if inverted else stored
    center = 4095 - 2000 if inverted else 2000
    series = generate_uid()
    elements: dict[str, Any] = {
        **COMPLETE, "Modality": modality, "StudyInstanceUID": generate_uid(), "SeriesInstanceUID": series,
        "SOPInstanceUID": generate_uid(), "PatientID": f"patient-{seed}", "PatientName": f"Secret^{seed}",
        "WindowCenter": center, "WindowWidth": 3000, "ImagerPixelSpacing": [0.2, 0.2],
        "PhotometricInterpretation": "MONOCHROME1" if inverted else "MONOCHROME2",
    }  # fmt: skip
    if modality == "DX":
        elements["SOPClassUID"] = DigitalXRayImageStorageForPresentation
        elements["PresentationIntentType"] = "FOR PRESENTATION"
    if inverted:
        elements["PresentationLUTShape"] = "INVERSE"
    write_image(path, stored, 12, **elements)
    name = f"pacs/{path.name}" if path.parent.name == "pacs" else path.name
    return KnownImage(image_id(name), path, series, image)


@pytest.fixture(scope="session")
def pacs(images: dict[str, KnownImage], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Orthanc with the DICOM images; its address."""
    reason = why_no_orthanc()
    if reason:
        pytest.skip(reason)
    with orthanc(tmp_path_factory.mktemp("orthanc")) as address:
        for each in images.values():
            if each.series:
                store(address, each.path)
        yield address


def store(address: str, image: Path) -> None:
    """Put a DICOM file into Orthanc."""
    import requests

    requests.post(f"{address}/instances", data=image.read_bytes(), timeout=30).raise_for_status()


@pytest.fixture(scope="session")
def folder_server(
    new_app: Callable[[Path], Path], images: dict[str, KnownImage], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabelServer]:
    """A server on a copy of the images, since labels are written beside them; it listens on all addresses."""
    scratch = tmp_path_factory.mktemp("folder_server")
    own = shutil.copytree(images["a"].path.parent, scratch / "images")
    with label_server(
        new_app(scratch), own, scratch, {"cache_seconds": "0", "max_upload_mb": "2"}, "0.0.0.0"
    ) as server:
        yield server


@pytest.fixture(scope="session")
def pacs_server(
    new_app: Callable[[Path], Path], pacs: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabelServer]:
    """A server on Orthanc, which sends finished labels there."""
    scratch = tmp_path_factory.mktemp("pacs_server")
    conf = {"sr": "true", "cache_seconds": "0"}
    with label_server(new_app(scratch), f"{pacs}/dicom-web", scratch, conf) as server:
        yield server
