"""Images out of a real archive, results back into it: by whom, how often, and whatever ends the program in between."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import threading
import time
from pathlib import Path

import pydicom
import pytest
from filelock import FileLock

from monai_tbkd.__main__ import main
from monai_tbkd.commands import pacs
from monai_tbkd.pacs import Archive, ImageAddress
from monai_tbkd.results.prediction_row import prediction_row
from tests.conftest import REPOSITORY
from tests.data.large_images import make_deflated_bomb
from tests.pacs.archive_images import DX, chest, command, images_of, results_by_image, rows, uid
from tests.pacs.orthanc_server import SC, SEG, SR, OrthancServer
from tests.processes import Program

IMAGE_CLASSES = ("1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1")


@pytest.fixture
def models(trained: Path) -> Path:
    return trained / "models"


def fingerprints(server: OrthancServer) -> dict[str, str]:
    return {each["SOPInstanceUID"]: hashlib.sha256(server.file(each["ID"])).hexdigest() for each in server.instances()}


def assert_whole(server: OrthancServer, images: list[Path]) -> None:
    """Each image has each of its results, once; of segmentations those of the map and of the boxes."""
    for sop_class, number in ((SR, 1), (SC, 1), (SEG, 2)):
        assert results_by_image(server, sop_class) == {uid("image", path.stem): number for path in images}


def test_every_image_has_its_results_once(
    orthanc: OrthancServer, models: Path, phantoms: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    images = tmp_path / "images"
    good = [
        chest(images / "cr.dcm", phantoms),
        chest(images / "dx.dcm", phantoms, 1, **DX),
        chest(images / "inverted.dcm", phantoms, 2, PhotometricInterpretation="MONOCHROME1", **DX),
        chest(images / "second.dcm", phantoms, 3, study="cr"),
    ]
    cut = pydicom.dcmread(chest(images / "cut.dcm", phantoms, 4))
    cut.PixelData = cut.PixelData[:1000]
    cut.save_as(images / "cut.dcm")
    bad = {
        "NOT_FRONTAL": chest(images / "lateral.dcm", phantoms, 5, study="cr", ViewPosition="LL"),
        "NOT_CHEST": chest(images / "hand.dcm", phantoms, 6, BodyPartExamined="HAND", **DX),
        "UNDER_AGE": chest(images / "child.dcm", phantoms, 7, PatientAge="009Y"),
        "CORRUPT": images / "cut.dcm",
    }
    other = chest(images / "mr.dcm", phantoms, 8, Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    orthanc.upload(*good, *bad.values(), other)
    before = fingerprints(orthanc)

    assert main(command(orthanc, models, tmp_path / "out")) == 3  # the cut image could not be read

    after, table = fingerprints(orthanc), rows(tmp_path / "out")
    assert {name: after[name] for name in before} == before  # not a bit of an image is changed
    wanted = {uid("image", path.stem): 1 for path in good}
    assert_whole(orthanc, good)
    assert {name for name, row in table.items() if row["status"] == "done"} == set(wanted)
    reasons = {row["reason"]: name for name, row in table.items() if row["reason"]}
    assert reasons == {reason: uid("image", path.stem) for reason, path in bad.items()}
    for each in orthanc.instances(SR, SC, SEG):
        image = next(iter(images_of(each)))
        source = next(path for path in good if uid("image", path.stem) == image)
        header = pydicom.dcmread(source, stop_before_pixels=True)
        assert (each["StudyInstanceUID"], each["PatientID"]) == (header.StudyInstanceUID, header.PatientID)
    # refused and failed images are named by where they are in the archive, and nothing of the patient is said anywhere
    said = caplog.text + (tmp_path / "out" / "predictions.csv").read_text() + str(sorted((tmp_path / "out").rglob("*")))
    assert "secret" not in said.lower()
    assert table[reasons["NOT_CHEST"]]["path"] == (
        f"studies/{uid('study', 'hand')}/series/{uid('series', 'hand', 'DX')}/instances/{uid('image', 'hand')}"
    )
    assert str(tmp_path) not in (tmp_path / "out" / "predictions.csv").read_text()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".lock", "predictions.csv", "predictions.json"}

    caplog.clear()
    assert main(command(orthanc, models, tmp_path / "out")) == 3  # the cut image is damaged still
    assert "8 images: 4 had results, 4 were refused or damaged before, 0 tried" in caplog.text
    assert "send an image" not in caplog.text
    caplog.clear()
    assert main([*command(orthanc, models, tmp_path / "out"), "--again"]) == 3
    assert "8 images: 4 had results, 0 were refused or damaged before, 4 tried" in caplog.text
    assert fingerprints(orthanc) == after
    assert rows(tmp_path / "out").keys() == table.keys()

    # another machine has no table, and skips all the same what the archive has results of
    assert main(command(orthanc, models, tmp_path / "elsewhere")) == 3
    assert fingerprints(orthanc) == after
    assert {row["status"] for row in rows(tmp_path / "elsewhere").values()} == {"refused", "failed"}


def test_a_bomb_is_a_row_and_the_rest_goes_on(
    orthanc: OrthancServer, models: Path, phantoms: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    bomb, good = chest(images / "bomb.dcm", phantoms), chest(images / "good.dcm", phantoms, 1)
    make_deflated_bomb(bomb, 2 * 10**8)  # two hundred kB in the archive, of the rows and columns of a small image
    orthanc.upload(bomb, good)
    assert main(command(orthanc, models, tmp_path / "out")) == 3
    table = rows(tmp_path / "out")
    assert {row["reason"] for row in table.values()} == {"", table[uid("image", "bomb")]["reason"]}
    assert table[uid("image", "bomb")]["reason"] in ("TOO_LARGE", "CORRUPT")
    assert_whole(orthanc, [good])


def test_a_report_that_was_removed_comes_back_the_same(
    orthanc: OrthancServer, models: Path, phantoms: Path, tmp_path: Path
) -> None:
    orthanc.upload(chest(tmp_path / "a.dcm", phantoms), chest(tmp_path / "b.dcm", phantoms, 1, study="a"))
    assert main(command(orthanc, models, tmp_path / "out")) == 0
    first = {each["SOPInstanceUID"] for each in orthanc.instances()}
    orthanc.delete(orthanc.instances(SR)[0]["ID"])
    # by another threshold: the model's results on an image keep their UIDs
    assert main([*command(orthanc, models, tmp_path / "else"), "--set", "score_threshold=0.4"]) == 0
    assert {each["SOPInstanceUID"] for each in orthanc.instances()} == first
    assert set(results_by_image(orthanc).values()) == {1}
    assert len(rows(tmp_path / "else")) == 1


def test_what_a_kill_has_left_of_an_image_is_made_whole(
    orthanc: OrthancServer, models: Path, phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [chest(tmp_path / f"{n}.dcm", phantoms, n) for n in range(2)]
    orthanc.upload(*images)
    store, stored = Archive.store, []

    def store_two(self: Archive, result: pydicom.Dataset, source: ImageAddress) -> None:
        if len(stored) == 2:
            raise KeyboardInterrupt
        store(self, result, source)
        stored.append(result.SOPInstanceUID)

    monkeypatch.setattr(Archive, "store", store_two)
    assert main(command(orthanc, models, tmp_path / "out")) == pacs.STOPPED
    assert len(orthanc.instances()) == len(images) + 2
    monkeypatch.setattr(Archive, "store", store)
    # another machine, whose scores have other last digits
    monkeypatch.setattr(
        "monai_tbkd.handlers.prediction_writer.prediction_row",
        lambda *given, **more: prediction_row(*given, **more) | {"score_0_100": 77.77},
    )
    assert main(command(orthanc, models, tmp_path / "elsewhere")) == 0
    assert_whole(orthanc, images)


def test_two_programs_do_not_write_one_table(
    orthanc: OrthancServer, models: Path, phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orthanc.upload(chest(tmp_path / "image.dcm", phantoms))
    (tmp_path / "out").mkdir()
    held = FileLock(tmp_path / "out" / ".lock")
    held.acquire()
    assert main(command(orthanc, models, tmp_path / "out")) == 2
    assert "another run is at work in this folder" in capsys.readouterr().err
    held.release()
    assert main(command(orthanc, models, tmp_path / "out")) == 0


def test_unknown_results_are_refused(
    orthanc: OrthancServer, models: Path, phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orthanc.upload(chest(tmp_path / "image.dcm", phantoms))
    assert main(command(orthanc, models, tmp_path / "out", "--results", "sr", "pdf")) == 2
    assert "results has pdf; expected some of sr, seg_map" in capsys.readouterr().err
    assert main(command(orthanc, models, tmp_path / "out", "--results", "sc")) == 2
    assert "sr is needed: it tells what is done" in capsys.readouterr().err
    assert main(command(orthanc, models, tmp_path / "new", "--results", "sr")) == 0
    assert len(orthanc.instances()) == 2


def test_dry_run_lists_and_leaves_everything(
    orthanc: OrthancServer, models: Path, phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orthanc.upload(*(chest(tmp_path / f"{n}.dcm", phantoms, n, StudyDate=f"2026010{n}") for n in (1, 2, 3)))
    query = ["--query", "StudyDate=20260102-20260131", "BodyPartExamined=CHEST"]
    assert main(command(orthanc, models, tmp_path / "out", "--dry_run", *query)) == 0
    listed = capsys.readouterr().out.split()
    assert sorted(line.split("/")[-1] for line in listed) == sorted(uid("image", n) for n in "23")
    assert not (tmp_path / "out").exists()
    assert len(orthanc.instances()) == 3
    assert main(command(orthanc, models, tmp_path / "out", "--limit", "1", *query)) == 0
    assert len(orthanc.instances(SR)) == 1


def test_watch_does_what_comes_later(
    orthanc: OrthancServer, models: Path, phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [chest(tmp_path / f"{n}.dcm", phantoms, n) for n in range(3)]
    events = [
        lambda: orthanc.upload(images[0]),
        orthanc.kill,  # away for a whole pass
        lambda: orthanc.start().upload(*images[1:]),
    ]
    waited: list[float] = []

    def between_passes(seconds: float) -> None:
        waited.append(seconds)
        if not events:
            raise KeyboardInterrupt
        events.pop(0)()

    monkeypatch.setattr(pacs, "wait", between_passes)
    assert main(command(orthanc, models, tmp_path / "out", "--watch", "7")) == pacs.STOPPED
    assert_whole(orthanc, images)
    assert len(rows(tmp_path / "out")) == 3
    assert waited == [7] * 4


def test_killed_program_goes_on_without_loss_or_doubles(
    orthanc: OrthancServer, models: Path, phantoms: Path, tmp_path: Path
) -> None:
    images = [chest(tmp_path / "images" / f"{n}.dcm", phantoms, n, study=f"study {n // 4}") for n in range(12)]
    orthanc.upload(*images)
    line = ["-m", "monai_tbkd", *command(orthanc, models, tmp_path / "out")]
    program = Program(line, tmp_path, os.environ | {"PYTHONPATH": str(REPOSITORY)})
    until = time.monotonic() + 120
    while orthanc.count("SR") < 2 and time.monotonic() < until and program.running():
        time.sleep(0.01)
    assert program.kill() == -signal.SIGKILL
    done = len(orthanc.instances(SR))
    assert 2 <= done < 12  # or the kill came too late to show anything
    assert main(command(orthanc, models, tmp_path / "out")) == 0
    assert_whole(orthanc, images)
    table = rows(tmp_path / "out")
    # an image whose row the kill has cost has its report; it is not done again for the sake of the row
    assert 11 <= len(table) <= 12
    assert not (tmp_path / "out" / "image_in_work").exists()


def test_killed_server_is_waited_for(
    orthanc: OrthancServer, models: Path, phantoms: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = [chest(tmp_path / "images" / f"{n}.dcm", phantoms, n, study=f"study {n // 4}") for n in range(12)]
    orthanc.upload(*images)
    status: list[int] = []
    work = threading.Thread(target=lambda: status.append(main(command(orthanc, models, tmp_path / "out"))))
    work.start()
    until = time.monotonic() + 60
    while orthanc.count("SR") < 2 and time.monotonic() < until:
        time.sleep(0.01)
    orthanc.kill()
    time.sleep(1)
    assert work.is_alive()
    orthanc.start()
    work.join(120)
    assert status == [0]
    assert "Trying again" in caplog.text
    assert_whole(orthanc, images)
    assert len(rows(tmp_path / "out")) == 12


def test_server_that_stays_away_is_one_sentence_and_the_rest_is_kept(
    orthanc: OrthancServer, models: Path, phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [chest(tmp_path / "images" / f"{n}.dcm", phantoms, n) for n in range(12)]
    orthanc.upload(*images)
    status: list[int] = []
    line = [*command(orthanc, models, tmp_path / "out"), "--patience", "0.5"]
    work = threading.Thread(target=lambda: status.append(main(line)))
    work.start()
    until = time.monotonic() + 60
    while orthanc.count("SR") < 2 and time.monotonic() < until:
        time.sleep(0.01)
    orthanc.kill()
    work.join(60)
    assert status == [2]
    assert f"error: {orthanc.url} cannot be reached (connection refused)." in capsys.readouterr().err
    kept = len(rows(tmp_path / "out"))
    assert 1 <= kept < 12
    orthanc.start()
    assert main(command(orthanc, models, tmp_path / "out")) == 0
    assert_whole(orthanc, images)
