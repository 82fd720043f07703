"""What OHIF shows of an image and of our structured report, and the report that it sends back, in a headless Chromium.

    python benchmarks/ohif_view.py --dist node_modules/@ohif/app/dist --app LABEL_APP --output docs/images

A phantom image becomes a DX object, the model of the label app looks at it, and image and report go to an Orthanc on
loopback. OHIF is served beside a way to it. The report is then opened as a user does: a double click on its thumbnail,
and "Yes" where OHIF asks whether to take up its measurements. Printed is what OHIF's measurement service holds then,
beside the boxes that were written. Then the first rectangle is drawn to another place with the mouse, the others are
deleted, a new one is drawn, and "Create SR" is pressed; of the report that has come into Orthanc, ``ohif_sent.dcm``,
printed is what `read_label` makes of it beside what OHIF held, and what ``take_reports`` finds in Orthanc. Then another
is drawn, renamed to non_tb and sent alone: ``ohif_non_tb.dcm``. Wants Orthanc with DICOMweb, Chromium with its driver,
selenium and dicomweb-client.
"""

from __future__ import annotations

import argparse
import http.server
import json
import shutil
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.uid import generate_uid
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_tbkd.__main__ import main as monai_tbkd
from monai_tbkd.data.phantom import make_image
from monai_tbkd.dicom import BoxFinding, ImageFinding, write_structured_report
from monai_tbkd.label.app_folder import read_app_folder
from monai_tbkd.label.image_label import read_label
from monai_tbkd.label.image_pipeline import ImagePipeline
from monai_tbkd.label.label_export import collect_labels
from tests.data.golden_dicom import write_image
from tests.dicom.dicom_images import COMPLETE
from tests.pacs.archive_images import DX
from tests.pacs.orthanc_server import OrthancServer

ORTHANC_PORT, OHIF_PORT = 18142, 18143
SPACING = 0.7  # mm
CORNERS = """const s = window.services;
const p = s.cornerstoneViewportService.getCornerstoneViewport(s.viewportGridService.getActiveViewportId());
const r = p.element.getBoundingClientRect();
return s.measurementService.getMeasurements().map(m => ({tool: m.toolName, points: m.points, label: m.label,
  window: m.points.map(q => { const c = p.worldToCanvas(q); return [r.x + c[0], r.y + c[1]]; })}));"""
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
    parser.add_argument("--output", type=Path, required=True, help="folder for the pictures and reports")
    parser.add_argument("--seed", type=int, default=3, help="of the phantom image")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        server = OrthancServer(folder / "orthanc", HttpPort=ORTHANC_PORT)
        server.root = f"http://127.0.0.1:{ORTHANC_PORT}"
        try:
            server.start()
            study, boxes = fill(server, folder, args.app, args.seed)
            handler = partial(Site, directory=str(args.dist.resolve()))
            site = http.server.ThreadingHTTPServer(("127.0.0.1", OHIF_PORT), handler)
            threading.Thread(target=site.serve_forever, daemon=True).start()
            look(study, boxes, folder / "image.dcm", args.output)
        finally:
            server.kill()


def fill(server: OrthancServer, folder: Path, app: Path, seed: int) -> tuple[str, list[list[float]]]:
    """An image and its report into Orthanc; gives the study and the boxes."""
    pixels = np.asarray(make_image("tb", (seed, 0, 0), 512).image)[:, 32:480].astype(float)  # not square
    stored = np.rint((pixels - pixels.min()) / np.ptp(pixels) * 4095)
    study = generate_uid()
    image = write_image(
        folder / "image.dcm", stored, 12, **COMPLETE, **DX, StudyInstanceUID=study, PixelSpacing=[SPACING, SPACING],
        WindowCenter=2048, WindowWidth=4096, RescaleIntercept=0, RescaleSlope=1,
    )  # fmt: skip
    pipeline = ImagePipeline(read_app_folder(app))
    seen = pipeline(image)
    assert seen.score is not None, seen.detail
    found = ImageFinding(
        round(seen.score, 4), round(float(seen.thresholds["score_threshold"]), 4), "TB suggestive",
        tuple(BoxFinding(*box) for box in seen.boxes), pipeline.model_version, str(seen.thresholds["id"]),
    )  # fmt: skip
    write_structured_report(folder / "report.dcm", image, found)
    server.upload(image, folder / "report.dcm")
    return study, seen.boxes


def look(study: str, boxes: list[list[float]], image: Path, output: Path) -> None:
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--use-gl=swiftshader", "--enable-unsafe-swiftshader",
                     "--ignore-gpu-blocklist", "--window-size=1400,900", "--disable-dev-shm-usage"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # named, so that selenium looks for none on the network
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
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
        print("written:", json.dumps(boxes))
        compare("written and held", [box[:4] for box in boxes], held(driver))
        correct(driver, image, output)
        for entry in driver.get_log("browser")[-15:]:
            print("console:", entry["level"], entry["message"][:200])
    finally:
        driver.quit()


def correct(driver: Any, image: Path, output: Path) -> None:
    """What an annotator does: move, delete, draw, send; then an image without TB."""
    before = instances()
    click(driver, "//*[@data-cy='trackedMeasurements-btn']")
    time.sleep(3)
    # by the right edge of the first rectangle; its corners would make it larger
    right = driver.execute_script(CORNERS)[0]["window"]
    drag(driver, (right[1][0], 0.6 * right[1][1] + 0.4 * right[3][1]), (-30, 20))
    while driver.find_elements(By.CSS_SELECTOR, "[data-cy='measurement-table-row-1']"):
        from_menu(driver, 1, "Delete")
    click_menu(driver, "RectangleROI")
    drag(driver, (500, 180), (80, 100))
    at = held(driver)
    driver.save_screenshot(str(output / "ohif_corrected.png"))
    sent = send(driver, before, output / "ohif_sent.dcm")
    print("held when it was sent:", json.dumps(at.tolist()))
    print("dialog:", sent)
    label = read_label(output / "ohif_sent.dcm", image)
    print("read:", label.class_name, json.dumps(label.boxes))
    compare("held and read", label.boxes, at)
    take(image.parent / "store")

    before = instances()
    drag(driver, (600, 300), (60, 60))  # the tool is still the rectangle, and all others have been sent and are gone
    click(driver, "//button[normalize-space()='Yes']")
    time.sleep(3)
    from_menu(driver, 0, "Rename")
    driver.find_element(By.CSS_SELECTOR, "[role=dialog] input").send_keys("non_tb")
    click(driver, "//*[@role='dialog']//button[normalize-space()='Save']")
    time.sleep(2)
    print("dialog:", send(driver, before, output / "ohif_non_tb.dcm"))
    label = read_label(output / "ohif_non_tb.dcm", image)
    print("read:", label.class_name, json.dumps(label.boxes))
    take(image.parent / "store")


def take(store: Path) -> None:
    """The labels that are in Orthanc, as commands give them."""
    monai_tbkd(["take_reports", str(store), "--url", f"http://127.0.0.1:{ORTHANC_PORT}/dicom-web"])
    for label in collect_labels(store).labels.values():
        print("taken from the archive:", label.class_name, json.dumps(label.boxes))


def held(driver: Any) -> np.ndarray:
    """The rectangles that OHIF holds, ``(n, 4)``, in image pixels."""
    # OHIF's points are in mm from the middle of the first pixel, and the first and last are opposite corners
    points = [np.array([m["points"][0][:2], m["points"][3][:2]]) for m in driver.execute_script(CORNERS)]
    return np.array([each.ravel() / SPACING + 0.5 for each in points])


def compare(what: str, boxes: list[list[float]], others: np.ndarray) -> None:
    if len(boxes) != len(others):
        print(f"{what}: {len(boxes)} and {len(others)}")
    else:
        print(f"{what}, largest difference of {len(boxes)} boxes:", np.abs(np.array(boxes) - others).max(), "pixels")


def drag(driver: Any, start: tuple[float, float], by: tuple[float, float], steps: int = 8) -> None:
    """Press, move, release, in pixels of the window."""
    actions = ActionChains(driver)
    mouse = actions.w3c_actions.pointer_action
    mouse.move_to_location(round(start[0]), round(start[1])).pause(0.3).pointer_down()
    for step in range(1, steps + 1):
        mouse.move_to_location(*(round(a + d * step / steps) for a, d in zip(start, by, strict=True))).pause(0.05)
    mouse.pause(0.2).pointer_up()
    actions.perform()
    time.sleep(2)


def from_menu(driver: Any, row: int, word: str) -> None:
    """A word of the menu of a row in the list of measurements."""
    entry = driver.find_element(By.CSS_SELECTOR, f"[data-cy='measurement-table-row-{row}']")
    ActionChains(driver).move_to_element(entry).perform()
    time.sleep(1)
    entry.find_element(By.CSS_SELECTOR, "[data-cy='actionsMenuTrigger']").click()
    time.sleep(1)
    click(driver, f"//*[@role='menuitem'][normalize-space()='{word}']")
    time.sleep(2)


def click_menu(driver: Any, tool: str) -> None:
    """A measurement tool of the bar."""
    selector = "[data-cy='MeasurementTools-split-button-secondary']"
    driver.find_element(By.CSS_SELECTOR, f"{selector} button, {selector}").click()
    time.sleep(1)
    click(driver, f"//*[@data-cy='{tool}']")
    time.sleep(1)


def send(driver: Any, before: set[str], path: Path) -> str:
    """Press "Create SR" and "Save"; the report that has come into Orthanc; gives the series that OHIF proposes."""
    click(driver, "//button[normalize-space()='Create SR']")
    time.sleep(2)
    proposed = str(driver.find_element(By.CSS_SELECTOR, "[role=dialog] [role=combobox]").text)
    click(driver, "//*[@role='dialog']//button[normalize-space()='Save']")
    end = time.monotonic() + 60
    while not (new := instances() - before):
        if time.monotonic() > end:
            raise RuntimeError("OHIF has sent no report within 60 s")
        time.sleep(0.5)
    time.sleep(3)
    (instance,) = new
    path.write_bytes(ask(f"/instances/{instance}/file"))
    return proposed


def instances() -> set[str]:
    return set(json.loads(ask("/instances")))


def ask(path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{ORTHANC_PORT}{path}", timeout=30) as answer:
        return bytes(answer.read())


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
