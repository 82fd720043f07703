"""A folder of hundreds of damaged images, false images and odd names, through the command that users run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from monai_tbkd.data import list_images
from tests.bundle.inference_process import Watched, environment, rows_of, run_inference, watch_inference
from tests.data.damaged_images import Spoiled, write_spoiled_images
from tests.data.good_images import GOOD, write_good_images

pytestmark = pytest.mark.system

MOST_MEMORY = 1.5 * 2**30
"""For parent and two workers; 1036 MiB were measured, nearly all of it torch, MONAI and ITK, whatever the images."""

DONE = frozenset({"done"})
CORRUPT = frozenset({"CORRUPT"})
# Formats with a checksum over the pixels: a changed byte is always found.
_CHECKED = {"png", "png16", "nifti_gz", "metaimage_packed", "nrrd_packed"}
# Pixels as they are: no changed byte can be told from a gray value, and none breaks the file.
_RAW = {
    "bmp", "tiff", "dicom", "dicom_implicit", "dicom_big_endian", "dicom_headless", "nifti", "metaimage", "nrrd",
}  # fmt: skip
# Every rest is packed without a checksum (JPEG and its kin, LZW, RLE; deflate in DICOM has none, and libtiff looks at
# its own only where it comes to the end): found where the stream cannot be followed any more, else a changed picture.
_PACKED = set(GOOD) - _CHECKED - _RAW
# A changed header may say anything; but never anything that the program does not understand.
_ANY_HEADER = frozenset(
    {"done", "CORRUPT", "NOT_AN_IMAGE", "TOO_LARGE", "TOO_SMALL", "MULTI_FRAME", "COLOR", "UNSUPPORTED_SYNTAX"}
)
_ANY_TAG = _ANY_HEADER | {
    "UNREADABLE_TAG", "UNSUPPORTED_SOP", "FOR_PROCESSING", "NOT_CHEST", "NOT_FRONTAL", "UNDER_AGE"
}  # fmt: skip

EXPECTED: dict[tuple[str, str], frozenset[str]] = {
    **{("cut", name): CORRUPT for name in GOOD},
    # The last byte is of the pixels, of a checksum or of an end mark; but in these it is after all that.
    **{("without its last byte", name): CORRUPT for name in GOOD},
    **{
        ("without its last byte", name): DONE
        for name in GOOD
        if name in ("tiff_lzw", "tiff_deflate", "dicom_rle") or name.startswith("dicom_jpeg")
    },
    ("without its last byte", "dicom_deflated"): DONE | CORRUPT,  # a padding byte, where the stream is of odd length
    **{("flipped pixels", name): CORRUPT for name in _CHECKED},
    **{("flipped pixels", name): DONE for name in _RAW},
    **{("flipped pixels", name): DONE | CORRUPT for name in _PACKED},
    **{("flipped header", name): _ANY_TAG if name.startswith("dicom") else _ANY_HEADER for name in GOOD},
    **{("flipped header", name): CORRUPT for name in ("png", "png16")},
    **{("wrong suffix", name): DONE for name in GOOD},
    **{("empty", name): CORRUPT for name in GOOD},
    **{("zeros", name): frozenset({"NOT_AN_IMAGE"}) for name in GOOD},
    ("odd name", "png"): DONE,
    ("huge header", ""): frozenset({"TOO_LARGE"}),
    ("huge file", ""): frozenset({"TOO_LARGE"}),
    ("bomb", ""): frozenset({"TOO_LARGE"}),
    ("bomb in a note", ""): DONE,  # notes are not inflated
    ("bomb after the rows", ""): DONE,  # inflated no further than its rows
    ("no image", ""): frozenset({"NOT_AN_IMAGE"}),
    ("only the magic", ""): CORRUPT,
    ("pixels elsewhere", ""): frozenset({"NOT_AN_IMAGE"}),
    ("no file", ""): frozenset({"NOT_READABLE"}),
    ("lateral", ""): frozenset({"NOT_FRONTAL"}),
    ("child", ""): frozenset({"UNDER_AGE"}),
    ("capture", ""): frozenset({"UNSUPPORTED_SOP"}),
}
"""What is expected of each kind of damage to each format: a code, or done."""


@pytest.fixture(scope="module")
def batch(
    trained: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Spoiled], Watched, list[dict[str, str]]]:
    """The images, what they are, the run and its rows."""
    folder = tmp_path_factory.mktemp("damaged")
    good = write_good_images(folder / "images" / "good")
    spoiled = write_spoiled_images(folder / "images", good)
    finished = watch_inference(folder / "images", folder / "out", trained / "models")
    return folder, spoiled, finished, rows_of(folder / "out")


def outcome(row: dict[str, str]) -> str:
    return row["reason"] or row["status"]


def by_name(folder: Path, rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """Rows by the names that images have on the disk."""
    images = list_images(folder / "images")
    assert len(images) == len(rows)
    return {image["name"]: row for image, row in zip(images, rows)}


def test_every_image_has_a_row_in_order_and_the_run_ends_as_it_should(
    batch: tuple[Path, list[Spoiled], Watched, list[dict[str, str]]],
) -> None:
    folder, spoiled, finished, rows = batch
    assert "Traceback" not in finished.text
    assert finished.status == 3, finished.text[-3000:]
    expected = {each.name for each in spoiled if each.kind != "left out"}
    assert len(expected) >= 300
    listed = [image["name"] for image in list_images(folder / "images")]
    assert set(listed) == expected | {path.relative_to(folder / "images").as_posix() for path in good_paths(folder)}
    # as the table has them
    as_text = [name.encode(errors="backslashreplace").decode() for name in listed]
    assert [row["name"] for row in rows] == [n.replace("\n", "\\n").replace("\r", "\\r") for n in as_text]
    for row in rows:
        assert (row["status"] == "done") == (row["reason"] == "") == (row["score_0_100"] != "")
    assert "Secret" not in finished.text + (folder / "out" / "predictions.csv").read_text()


def good_paths(folder: Path) -> Iterator[Path]:
    return (folder / "images" / "good").iterdir()


def test_each_kind_of_damage_has_its_code(batch: tuple[Path, list[Spoiled], Watched, list[dict[str, str]]]) -> None:
    folder, spoiled, _, rows = batch
    found = by_name(folder, rows)
    listed = [each for each in spoiled if each.kind != "left out"]
    wrong = {
        each.name: (each.kind, outcome(found[each.name]))
        for each in listed
        if outcome(found[each.name]) not in EXPECTED[each.kind, each.image_format]
    }
    assert not wrong
    # The table has nothing that no image stands for.
    assert set(EXPECTED) == {(each.kind, each.image_format) for each in listed}


def test_good_images_are_scored_as_alone(
    batch: tuple[Path, list[Spoiled], Watched, list[dict[str, str]]], trained: Path, tmp_path: Path
) -> None:
    folder, spoiled, _, rows = batch
    shutil.copytree(folder / "images" / "good", tmp_path / "images" / "good")
    finished = run_inference(tmp_path / "images", tmp_path / "out", trained / "models")
    assert finished.status == 0, finished.text[-3000:]
    alone = rows_of(tmp_path / "out")
    assert len(alone) == len(GOOD)
    assert {row["status"] for row in alone} == {"done"}

    def without(row: dict[str, str]) -> dict[str, str]:
        return {key: value for key, value in row.items() if key not in ("path", "seconds")}

    among = by_name(folder, rows)
    assert [without(among[row["name"]]) for row in alone] == [without(row) for row in alone]
    # A name changes nothing, and neither does a suffix.
    of_format = {Path(row["name"]).name.split(".")[0].removeprefix("good "): result(row) for row in alone}
    assert set(of_format) == set(GOOD)
    for each in spoiled:
        if each.kind in ("wrong suffix", "odd name"):
            assert result(among[each.name]) == of_format[each.image_format], each
    assert len(set(of_format.values())) > len(GOOD) / 2  # that tell images apart


def result(row: dict[str, str]) -> tuple[str, str]:
    return row["score_0_100"], row["boxes"]


def test_memory_is_bounded(batch: tuple[Path, list[Spoiled], Watched, list[dict[str, str]]]) -> None:
    peak = batch[2].peak_bytes
    if not peak:
        pytest.skip("this system does not tell how much memory a process has")
    assert peak < MOST_MEMORY


# Python itself may lie where a user without rights cannot go. So first runs, without workers and with them, bring
# in all that is imported late, that of decoders as well, and then the rights are dropped for good.
_WITHOUT_RIGHTS = """
import os, sys
from pathlib import Path
from monai_tbkd.data.readers import decode
from tests.conftest import run_bundle
apart = decode.decode_apart
decode.decode_apart = lambda function, max_pixels, *args: function(*args)
folder = Path(sys.argv[1])
def run(images, out, workers):
    given = {"ckpt_dir": str(folder / "models"), "check_frontal": "off", "min_side": 16, "num_workers": workers}
    run_bundle(["inference"], dataset_dir=str(images), output_dir=str(folder / out), **given)
for workers in (0, 2):
    run(folder / "images" / "good", "first", workers)
decode.decode_apart = apart
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
run(folder / "images", "out", 2)
"""


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="no users with and without rights on this system")
def test_what_may_not_be_read_has_a_row(trained: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="tbkd-"))  # pytest's own folders are closed to other users
    images = folder / "images"
    try:
        shutil.copytree(trained / "models", folder / "models")
        good = write_good_images(images / "good")
        names = ("png", "dicom", "nifti_gz", "nrrd")
        for name in names:
            shutil.copy(good[name], images / f"locked {name}")
        for closed in ("no entry", "list only", "no entry/deep"):
            (images / closed).mkdir()
            shutil.copy(good["png"], images / closed / "image.png")
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
            if os.geteuid() == 0:
                os.chown(path, 65534, 65534)
        for name in names:
            (images / f"locked {name}").chmod(0)
        (images / "list only").chmod(0o444)
        (images / "no entry").chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", _WITHOUT_RIGHTS, str(folder)], cwd=folder, env=environment(folder), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240,
        )  # fmt: skip
        assert "Traceback" not in done.stdout
        assert done.returncode == 0, done.stdout[-3000:]
        found = {row["name"]: outcome(row) for row in rows_of(folder / "out")}
    finally:
        for path in (images / "list only", images / "no entry"):
            path.chmod(0o755)
        shutil.rmtree(folder)
    expected = {f"good/{path.name}": "done" for path in good.values()}
    expected |= {f"locked {name}": "NOT_READABLE" for name in names}
    expected |= {"list only/image.png": "NOT_READABLE", "no entry": "NOT_READABLE"}
    assert found == expected
