"""What OHIF shows of a film and of our structured report, as pictures, in a headless Chromium.

    python benchmarks/ohif_view.py --dist node_modules/@ohif/app/dist --app LABEL_APP --output docs/images

A phantom film becomes a DX object, the model of the label app looks at it, and film and report go to an Orthanc on
loopback. OHIF is served beside a way to it. The report is then opened as a user does: a double click on its thumbnail,
and "Yes" where OHIF asks whether to take up its measurements. Printed is what OHIF's measurement service holds then,
beside the boxes that were written. Wants Orthanc with DICOMweb, Chromium with its driver, and selenium.
"""

from __future__ import annotations

import argparse
import http.server
import json
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from monai_tbkd.data.phantom import make_film
from monai_tbkd.dicom import BoxFinding, FilmFinding, write_structured_report
from monai_tbkd.label.app_folder import read_app_folder
from monai_tbkd.label.film_pipeline import FilmPipeline

ORTHANC_PORT, OHIF_PORT = 18142, 18143
SPACING = 0.7  # mm
PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
CONFIG = """window.config = {
  routerBasename: null, extensions: [], modes: [], customizationService: {}, showStudyList: true,
  maxNumberOfWebWorkers: 2, showWarningMessageForCrossOrigin: false, showCPUFallbackMessage: false,
  showLoadingIndicator: true, investigationalUseDialog: { option: 'never' },
  defaultDataSourceName: 'orthanc',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'orthanc',
    configuration: { friendlyName: 'Orthanc', name: 'orthanc', wadoUriRoot: '/dicom-web', qidoRoot: '/dicom-web',
      wadoRoot: '/dicom-web', qidoSupportsIncludeField: false, imageRendering: 'wadors', thumbnailRendering: 'wadors',
      enableStudyLazyLoad: true, supportsFuzzyMatching: false, supportsWildcard: true, dicomUploadEnabled: false,
      omitQuotationForMultipartRequest: true, bulkDataURI: { enabled: false } } }] };
"""


class Site(http.server.SimpleHTTPRequestHandler):
    """OHIF's files, and the way to Orthanc under the same address."""

    def do_GET(self) -> None:
        if self.path.startswith("/dicom-web"):
            self.proxy(None)
        elif self.path.startswith("/app-config.js"):
            self.answer(200, "text/javascript", CONFIG.encode())
        else:
            if not (Path(self.directory) / self.path.split("?")[0].lstrip("/")).is_file():
                self.path = "/index.html"  # a single-page application
            super().do_GET()

    def do_POST(self) -> None:
        self.proxy(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def proxy(self, body: bytes | None) -> None:
        kept = {k: v for k, v in self.headers.items() if k.lower() in ("accept", "content-type")}
        request = urllib.request.Request(f"http://127.0.0.1:{ORTHANC_PORT}{self.path}", data=body, headers=kept)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                self.answer(reply.status, reply.headers.get("Content-Type", ""), reply.read())
        except urllib.error.HTTPError as error:
            self.answer(error.code, "text/plain", error.read())

    def answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *args: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dist", type=Path, required=True, help="folder dist of the npm package @ohif/app")
    parser.add_argument("--app", type=Path, required=True, help="a label app (python -m monai_tbkd label_app)")
    parser.add_argument("--output", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--seed", type=int, default=3, help="of the phantom film")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        server = orthanc(folder)
        try:
            study, boxes = fill(folder, args.app, args.seed)
            handler = partial(Site, directory=str(args.dist.resolve()))
            site = http.server.ThreadingHTTPServer(("127.0.0.1", OHIF_PORT), handler)
            threading.Thread(target=site.serve_forever, daemon=True).start()
            look(study, boxes, args.output)
        finally:
            server.terminate()


def orthanc(folder: Path) -> subprocess.Popen[bytes]:
    store = folder / "orthanc"
    store.mkdir()
    settings = {"StorageDirectory": str(store), "IndexDirectory": str(store), "HttpPort": ORTHANC_PORT,
                "DicomServerEnabled": False, "AuthenticationEnabled": False, "Plugins": [PLUGIN]}  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{ORTHANC_PORT}/system", timeout=2)
        except OSError:
            time.sleep(0.3)
        else:
            return process
    raise RuntimeError("Orthanc does not answer")


def fill(folder: Path, app: Path, seed: int) -> tuple[str, list[list[float]]]:
    """A film and its report into Orthanc; gives the study and the boxes."""
    pixels = make_film("tb", (seed, 0, 0), 512).image
    film = folder / "film.dcm"
    study = write_dx(film, np.asarray(pixels)[:, 32:480])  # not square
    pipeline = FilmPipeline(read_app_folder(app))
    seen = pipeline(film)
    assert seen.score is not None, seen.detail
    found = FilmFinding(
        round(seen.score, 4), round(float(seen.thresholds["score_threshold"]), 4), "TB suggestive",
        tuple(BoxFinding(*box) for box in seen.boxes), pipeline.model_version, str(seen.thresholds["id"]),
    )  # fmt: skip
    write_structured_report(folder / "report.dcm", film, found)
    for name in ("film.dcm", "report.dcm"):
        data = (folder / name).read_bytes()
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{ORTHANC_PORT}/instances", data=data))
    return study, seen.boxes


def write_dx(path: Path, pixels: np.ndarray) -> str:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom^Film", "phantom", "", ""
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20240101", "120000", "1", ""
    ds.ReferringPhysicianName, ds.Manufacturer, ds.PatientAge = "", "phantom", "040Y"
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "DX", 1, 1
    ds.BodyPartExamined, ds.ViewPosition, ds.PatientOrientation = "CHEST", "PA", ["L", "F"]
    ds.PresentationIntentType, ds.ImageType = "FOR PRESENTATION", ["DERIVED", "PRIMARY"]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PresentationLUTShape = 1, "MONOCHROME2", "IDENTITY"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelSpacing = ds.ImagerPixelSpacing = [SPACING, SPACING]
    ds.WindowCenter, ds.WindowWidth, ds.RescaleIntercept, ds.RescaleSlope = 2048, 4096, 0, 1
    scaled = (pixels - pixels.min()) / np.ptp(pixels) * 4095
    ds.PixelData = np.rint(scaled).astype("<u2").tobytes()
    ds.save_as(path, enforce_file_format=True)
    return str(ds.StudyInstanceUID)


def look(study: str, boxes: list[list[float]], output: Path) -> None:
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--use-gl=swiftshader", "--enable-unsafe-swiftshader",
                     "--ignore-gpu-blocklist", "--window-size=1400,900", "--disable-dev-shm-usage"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options)
    try:
        driver.get(f"http://127.0.0.1:{OHIF_PORT}/viewer?StudyInstanceUIDs={study}")
        wait_for(driver, "canvas", 120)
        time.sleep(8)
        click(driver, "//*[text()='Skip all']")
        time.sleep(2)
        report = driver.find_element(By.XPATH, "//*[contains(text(), 'TB boxes SR')]")
        ActionChains(driver).double_click(report).perform()
        time.sleep(8)
        driver.save_screenshot(str(output / "ohif_report.png"))
        click(driver, "//button[normalize-space()='Yes']") or click(driver, "//*[normalize-space()='LOAD']")
        time.sleep(8)
        click(driver, "//*[text()='Skip all']")
        time.sleep(1)
        driver.save_screenshot(str(output / "ohif_rectangles.png"))
        held = driver.execute_script(
            "const m = window.services && window.services.measurementService;"
            "return m ? m.getMeasurements().map(x => ({tool: x.toolName, points: x.points, label: x.label})) : null;"
        )
        print("written:", json.dumps(boxes))
        print("held by OHIF:", json.dumps(held))
        # OHIF's points are in mm from the middle of the first pixel, and the first and last are opposite corners
        found = [np.array([m["points"][0][:2], m["points"][3][:2]]).ravel() / SPACING + 0.5 for m in held or []]
        if len(found) == len(boxes):
            print("largest difference:", np.abs(np.array(found) - np.array(boxes)[:, :4]).max(), "pixels")
        for entry in driver.get_log("browser")[-15:]:
            print("console:", entry["level"], entry["message"][:200])
    finally:
        driver.quit()


def click(driver: Any, xpath: str) -> bool:
    """Click what there is; False where there is nothing."""
    found = driver.find_elements(By.XPATH, xpath)
    if found:
        driver.execute_script("arguments[0].click()", found[0])
    return bool(found)


def wait_for(driver: Any, selector: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not driver.find_elements(By.CSS_SELECTOR, selector):
        if time.monotonic() > end:
            raise RuntimeError(f"OHIF shows no {selector} within {seconds:g} s")
        time.sleep(1)


if __name__ == "__main__":
    main()
