"""Labels in every form that viewers save come back as the same boxes in image pixels."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image, ImageOps

from monai_tbkd.data import ImageTurn
from monai_tbkd.label import image_label
from monai_tbkd.label.image_geometry import image_geometry
from monai_tbkd.label.image_label import ImageLabel, read_label
from monai_tbkd.label.label_map import mask_to_boxes, read_mask, write_mask
from monai_tbkd.label.slicer_markups import boxes_to_markups
from tests.data.images_by_hand import ADULT_CHEST_PA, make_dicom

HEIGHT, WIDTH = 30, 40
BOX = [24.0, 2.0, 34.0, 8.0]
ROI = {"type": "ROI", "center": [20, 15, 0], "size": [4, 4, 1]}


def png(path: Path) -> Path:
    Image.fromarray(np.arange(HEIGHT * WIDTH, dtype=np.uint32).reshape(HEIGHT, WIDTH).astype(np.uint8)).save(path)
    return path


def dicom(path: Path, **elements: Any) -> Path:
    stored = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH)
    return make_dicom(path, stored, **{**ADULT_CHEST_PA, "ImagerPixelSpacing": [0.2, 0.15], **elements})


def nifti(path: Path, affine: Any, coronal: bool = False) -> Path:
    pixels = np.arange(HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    voxels = np.flip(pixels.T, axis=(0, 1))[:, None, :] if coronal else pixels.T[..., None]
    nib.save(nib.Nifti1Image(np.ascontiguousarray(voxels), affine), path)
    return path


CORONAL = np.array([[0.2, 0, 0, -3], [0, 1, 0, 7], [0, 0, 0.15, 5], [0, 0, 0, 1.0]])
TILTED = np.array([[-0.2, 0, 0, 30], [0, -0.15, 0, 20], [0, 0, 1, 5], [0, 0, 0, 1.0]])
IMAGES = {
    "png": lambda folder: png(folder / "image.png"),
    "dicom": lambda folder: dicom(folder / "image.dcm"),
    "dicom on its side": lambda folder: dicom(folder / "image.dcm", PatientOrientation=["F", "L"]),
    "nifti": lambda folder: nifti(folder / "image.nii.gz", np.eye(4)),
    "nifti with a place": lambda folder: nifti(folder / "image.nii.gz", TILTED),
    "nifti, coronal": lambda folder: nifti(folder / "image.nii", CORONAL, coronal=True),
}


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return IMAGES[request.param](tmp_path)


def saved(folder: Path, content: Any, name: str = "label.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


class TestEveryForm:
    def test_markups(self, image: Path, tmp_path: Path) -> None:
        markups = boxes_to_markups([[*BOX, 0.9]], image_geometry(image))
        assert markups["markups"][0]["size"][2] >= 1  # a slab that Slicer shows
        label = read_label(saved(tmp_path, markups), image)
        np.testing.assert_allclose(label.boxes, [BOX], atol=1e-6)
        assert label.is_tb
        assert label.stored_size == (HEIGHT, WIDTH)

    def test_markups_in_ras(self, image: Path, tmp_path: Path) -> None:
        markups = boxes_to_markups([BOX], image_geometry(image))
        roi = markups["markups"][0]
        roi["coordinateSystem"] = "RAS"
        roi["center"] = [-roi["center"][0], -roi["center"][1], roi["center"][2]]
        roi["orientation"] = [-v if position < 6 else v for position, v in enumerate(roi["orientation"])]
        np.testing.assert_allclose(read_label(saved(tmp_path, markups), image).boxes, [BOX], atol=1e-6)

    @pytest.mark.parametrize("suffix", [".png", ".nrrd", ".nii.gz"])
    def test_mask(self, image: Path, suffix: str, tmp_path: Path) -> None:
        mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        mask[2:8, 24:34] = 1
        mask[20:21, 0:3] = 1
        path = tmp_path / f"label{suffix}"
        write_mask(mask, path, image_geometry(image))
        assert (read_mask(path, image, (HEIGHT, WIDTH)) == mask.astype(bool)).all()
        assert read_label(path, image).boxes == [BOX, [0.0, 20.0, 3.0, 21.0]]

    @pytest.mark.parametrize(
        "content",
        [
            {"boxes": [{"label": "tuberculosis", "bbox": BOX, "score": 0.5}]},
            {"boxes": [BOX]},
            [{"label": "tuberculosis", "type": "rectangle", "points": BOX}],
            [{"label": "tuberculosis", "type": "polygon", "points": [24, 2, 34, 3, 33, 8, 30, 5]}],
            {"annotations": [{"annotation": {"elements": [
                {"label": "tuberculosis", "contours": [[[24, 2], [34, 2], [34, 8], [24, 8]]]}]}}]},
        ],
    )  # fmt: skip
    def test_json(self, content: Any, tmp_path: Path) -> None:
        assert read_label(saved(tmp_path, content), png(tmp_path / "image.png")).boxes == [BOX]

    def test_cvat_xml(self, tmp_path: Path) -> None:
        shapes = '<polygon label="ActiveTuberculosis" points="24,2;34,2;34,8"/>'
        xml = (
            f'<annotations><image name="other.png"/><image name="a/image.png">{shapes}'
            '<box label="tuberculosis" xtl="1" ytl="2" xbr="3" ybr="4"/></image></annotations>'
        )
        label = read_label(saved(tmp_path, xml, "label.xml"), png(tmp_path / "image.png"))
        assert label.boxes == [BOX, [1, 2, 3, 4]]
        assert label.box_types == ["active", "unspecified"]


def test_a_pixel_has_its_own_place_in_itk(image: Path) -> None:
    """The geometry is that of the picture as ITK reads it: what lies at a pixel there is that pixel's value."""
    import itk

    from monai_tbkd.data import CXRReader

    pixels, meta = CXRReader(min_side=1).get_data([image])
    stored = ImageTurn.from_text(meta["turn"]).as_stored(pixels)
    volume = itk.imread(str(image))
    for x, y in ((0, 0), (39, 0), (0, 29), (17, 11)):
        (position,) = image_geometry(image).points_to_lps([[x + 0.5, y + 0.5]])
        number = volume.GetImageDimension()
        index = volume.TransformPhysicalPointToIndex([float(v) for v in position[:number]])
        assert volume.GetPixel(index) == stored[y, x] or "MONOCHROME1" in meta["pixel_steps"], (x, y)


class TestImageLevel:
    @pytest.mark.parametrize(
        ("content", "info", "expected"),
        [
            ({"boxes": []}, {"image_label": "non_tb"}, "non_tb"),
            ({"boxes": [BOX]}, {"image_label": "tb"}, "tb"),
            ({"boxes": []}, {"understood": {"class_name": "non_tb"}}, "non_tb"),  # kept by an earlier version
            ({"boxes": [], "image_label": "tb"}, {}, "tb"),
            ({"boxes": []}, {"image_label": "normal"}, "health"),
            ({"image_label": False}, {}, "non_tb"),
            ({"markups": []}, {"image_label": "tuberculosis"}, "tb"),
        ],
    )
    def test_label(self, content: Any, info: dict[str, Any], expected: str, tmp_path: Path) -> None:
        assert read_label(saved(tmp_path, content), png(tmp_path / "image.png"), info).class_name == expected


@pytest.mark.parametrize("turn", [ImageTurn(t, r, c) for t in (0, 1) for r in (0, 1) for c in (0, 1)], ids=str)
def test_upright_boxes_undo_the_turn(turn: ImageTurn) -> None:
    upright = (30, 40)
    stored = turn.boxes_as_stored([BOX], upright)
    assert ImageLabel(Path("x"), stored, ["unspecified"], "tb", upright, turn).upright_boxes == [BOX]
    mask = np.zeros(upright, dtype=np.uint8)
    mask[2:8, 24:34] = 1
    assert mask_to_boxes(turn.as_stored(mask).astype(bool)) == stored
    assert (turn.upright(turn.as_stored(mask)) == mask).all()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("label.json", "{", "not JSON"),
        ("label.json", "[" * 100_000, "not JSON"),
        ("label.json", {"x": 1}, "unknown form"),
        ("label.json", {"boxes": [[1, 2, 3]]}, "expected \\[xmin"),
        ("label.json", {"boxes": [[100, 2, 110, 4]]}, "lies on the image"),
        ("label.json", {"boxes": [[5, 2, 3, 4]]}, "lies on the image"),
        ("label.json", '{"boxes": [[1, 2, NaN, 4]]}', "finite"),
        ("label.json", {"boxes": [{"bbox": BOX, "label": "nodule"}]}, "nodule"),
        ("label.json", {"boxes": [], "image_label": "cat"}, "image_label"),
        ("label.json", {"markups": [{"type": "Fiducial"}]}, "expected ROI"),
        ("label.json", {"markups": [{"type": "ROI", "center": [0, 0], "size": [1, 1, 1]}]}, "center"),
        ("label.json", {"annotations": [{}]}, "annotation"),
        ("label.xml", "<annotations><image name='a'/><image name='b'/></annotations>", "none of them"),
        ("label.xml", "<!DOCTYPE x [<!ENTITY a 'b'>]><annotations/>", "declaration"),
        ("label.xml", "<annotations><image><polyline/></image></annotations>", "polyline"),
        ("label.png", "no picture", "PNG"),
        ("label.nrrd", "no volume", "not NRRD"),
        ("label.json", {"boxes": []}, "image_label"),  # nothing was said; it may be a box that was lost
        ("label.json", {"markups": []}, "image_label"),
        ("label.json", [], "image_label"),
        ("label.xml", '<annotations><image name="image.png"/></annotations>', "image_label"),
        ("label.json", {"boxes": [BOX], "image_label": "health"}, "remove one"),
        ("label.json", {"boxes": [BOX], "image_label": False}, "remove one"),
        ("label.json", {"boxes": [[0, 0, 1, 1]] * 1001}, "1001 boxes"),
        ("label.json", [{"label": "tuberculosis", "points": [1.0] * 200_002}], "points"),
        ("label.json", " " * (4 * 2**20) + "{}", "bytes"),
        ("label.xml", "<annotations>" + "<a/>" * 100_000 + "</annotations>", "elements"),
        ("label.json", [{"label": "tuberculosis", "type": "mask", "points": [1, 2, 3, 4]}], "mask"),
        ("label.xml", '<annotations><image name="image.png"><tag label="cat"/></image></annotations>', "image_label"),
        (
            "label.xml",
            '<annotations><image name="image.png"><tag label="tb"/><tag label="health"/></image></annotations>',
            "health and tb",
        ),
        ("label.xml", '<annotations><image name="image.png" width="9" height="9"/></annotations>', "9, 9"),
        ("label.xml", '<annotations><image name="b.png"/></annotations>', "b.png"),
        ("label.txt", "", "unknown type"),
        ("label.json", '{"boxes": [[1, 2, 3, 4]], "image_label": "non_tb", "boxes": []}', "stands twice"),
        ("label.json", {"boxes": [BOX], "markups": [], "image_label": "health"}, "markups and boxes"),
        ("label.json", {"boxes": [], "annotations": [{}], "image_label": "health"}, "boxes and annotations"),
        ("label.json", {"boxes": [BOX], "image_height": HEIGHT, "image_width": 99}, "of another image"),
        ("label.json", {"boxes": [BOX], "sop_instance_uid": "1.2.3"}, "of another image"),
        ("label.json", {"markups": [{**ROI, "coordinateUnits": "um"}]}, "in mm"),
        ("label.json", {"markups": [{**ROI, "insideOut": True}]}, "inside out"),
        (
            "label.xml",
            '<annotations><track/><image name="image.png"><tag label="non_tb"/></image></annotations>',
            "tracks",
        ),
    ],
)
def test_a_label_that_cannot_be(name: str, content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_label(saved(tmp_path, content, name), png(tmp_path / "image.png"))


def test_an_answer_of_this_app_is_a_label_of_its_image(tmp_path: Path) -> None:
    answer = {"boxes": [{"bbox": BOX, "label": "tuberculosis"}], "annotations": [{}], "image_height": HEIGHT}
    image = dicom(tmp_path / "image.dcm", SOPInstanceUID="1.2.840.5")
    path = saved(tmp_path, {**answer, "image_width": WIDTH, "sop_instance_uid": "1.2.840.5"})
    assert read_label(path, image).boxes == [BOX]


@pytest.mark.parametrize("name", ["label.json", "label.xml"])
def test_a_word_that_contradicts_the_label_is_refused(name: str, tmp_path: Path) -> None:
    image = png(tmp_path / "image.png")
    content = {"image_label": "health"} if name == "label.json" else XML_HEALTH
    label = saved(tmp_path, content, name)
    for said in (True, "tb"):
        with pytest.raises(ValueError, match="remove one"):
            read_label(label, image, {"image_label": said})
    for said in (False, "non_tb", "sick", "", None):
        assert read_label(label, image, {"image_label": said}).class_name == "health"


XML_HEALTH = '<annotations><image name="image.png"><tag label="health"/></image></annotations>'


def test_a_series_of_a_pacs_is_not_known_by_the_name_of_its_file(tmp_path: Path) -> None:
    """It is 0001.dcm in each of them."""
    (tmp_path / "1.2.3").mkdir()
    dicom(tmp_path / "1.2.3" / "0001.dcm", SOPInstanceUID="1.2.840.5")
    for name, known in (("0001.png", False), ("1.2.3.png", True), ("1.2.840.5", True)):
        path = saved(tmp_path, XML_HEALTH.replace("image.png", name), "l.xml")
        if known:
            assert read_label(path, tmp_path / "1.2.3", {}, "1.2.3").class_name == "health"
        else:
            with pytest.raises(ValueError, match="none of them"):
                read_label(path, tmp_path / "1.2.3", {}, "1.2.3")


def test_damage_in_a_mask_is_seen(tmp_path: Path) -> None:
    """Decoding a PNG does not look at its checksums."""
    image, path = png(tmp_path / "image.png"), tmp_path / "label.png"
    mask = np.random.default_rng(0).integers(0, 2, (HEIGHT, WIDTH), dtype=np.uint8)
    Image.fromarray(mask).save(path)
    good = path.read_bytes()
    for position in range(16, len(good), 5):
        path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with contextlib.suppress(ValueError):
            np.testing.assert_array_equal(read_mask(path, image, (HEIGHT, WIDTH)), mask != 0)


def kills(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def test_a_label_that_kills_its_reader_costs_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, label = png(tmp_path / "image.png"), saved(tmp_path, {"boxes": [BOX]})
    with monkeypatch.context() as patch:
        patch.setattr(image_label, "_read_label", kills)
        with pytest.raises(ValueError, match=r"^The label cannot be read: .* SIGSEGV"):
            read_label(label, image)
    assert read_label(label, image).boxes == [BOX]


def test_many_threads_have_few_readers(tmp_path: Path) -> None:
    """A reader process belongs to a thread, and a server has 40 of them."""
    image, label = png(tmp_path / "image.png"), saved(tmp_path, {"boxes": [BOX]})

    def children() -> int:
        return sum(len(each.read_text().split()) for each in Path("/proc/self/task").glob("*/children"))

    before = children()  # of tests before
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: (read_label(label, image), image_geometry(image)), range(16)))
        assert children() <= before + 3  # one of the test's own thread


TURNED = [26.0, 0.0, 32.0, 10.0]
"""`BOX` after a quarter turn about its center."""


@pytest.mark.parametrize(
    ("name", "content", "boxes", "class_name"),
    [
        ("l.xml", '<box label="tb" xtl="24" ytl="2" xbr="34" ybr="8" rotation="90"/>', [TURNED], "tb"),
        ("l.xml", '<box label="tb" xtl="24" ytl="2" xbr="34" ybr="8" rotation="270.0"/>', [TURNED], "tb"),
        ("l.xml", '<ellipse label="tb" cx="29" cy="5" rx="5" ry="3"/>', [BOX], "tb"),
        ("l.xml", '<ellipse label="tb" cx="29" cy="5" rx="5" ry="3" rotation="90"/>', [TURNED], "tb"),
        ("l.xml", '<tag label="tuberculosis"/>', [], "tb"),
        ("l.xml", '<tag label="health"/>', [], "health"),
        ("l.xml", '<tag label="blurred"/><box label="tb" xtl="24" ytl="2" xbr="34" ybr="8"/>', [BOX], "tb"),
        ("l.json", [{"type": "ellipse", "label": "tb", "points": [29, 5, 34, 2]}], [BOX], "tb"),
        ("l.json", [{"type": "rectangle", "label": "tb", "points": BOX, "rotation": 90}], [TURNED], "tb"),
        ("l.json", [{"type": "tag", "label": "sick"}], [], "sick"),
        ("l.json", {"markups": [{"type": "ROI", "name": "non_tb"}]}, [], "non_tb"),
        ("l.json", {"markups": [{"type": "ROI", "controlPoints": [{"label": "health-1"}]}]}, [], "health"),
    ],
)
def test_shapes_and_words_of_viewers(
    name: str, content: Any, boxes: list[list[float]], class_name: str, tmp_path: Path
) -> None:
    if name.endswith("xml"):
        content = (
            f'<annotations><image name="image.png" width="{WIDTH}" height="{HEIGHT}">{content}</image></annotations>'
        )
    label = read_label(saved(tmp_path, content, name), png(tmp_path / "image.png"))
    assert (label.boxes, label.class_name) == (boxes, class_name)


def test_an_ellipse_that_is_turned_a_little_fills_its_box(tmp_path: Path) -> None:
    shape = {"type": "ellipse", "label": "tb", "points": [20, 15, 26, 13], "rotation": 30}
    (box,) = read_label(saved(tmp_path, [shape]), png(tmp_path / "image.png")).boxes
    angles, turn = np.linspace(0, 2 * np.pi, 10_000), np.radians(30)
    x, y = 6 * np.cos(angles), 2 * np.sin(angles)
    xs, ys = 20 + x * np.cos(turn) - y * np.sin(turn), 15 + x * np.sin(turn) + y * np.cos(turn)
    np.testing.assert_allclose(box, [xs.min(), ys.min(), xs.max(), ys.max()], atol=1e-5)


@pytest.mark.parametrize("name", ["image.png", "a/image.png", "image.PNG", "ward_3-image.0a1b2c3d.png"])
def test_names_that_cvat_may_know_an_image_by(name: str, tmp_path: Path) -> None:
    xml = f'<annotations><image name="{name}"><box label="tb" xtl="1" ytl="2" xbr="3" ybr="4"/></image></annotations>'
    image = png(tmp_path / "image.png")
    assert read_label(saved(tmp_path, xml, "l.xml"), image, {}, "ward_3-image.0a1b2c3d.png").boxes == [[1, 2, 3, 4]]


def test_names_that_cvat_may_know_a_dicom_image_by(tmp_path: Path) -> None:
    image = dicom(tmp_path / "0001.dcm", SOPInstanceUID="1.2.840.5")
    for name, known in (("0001.png", True), ("1.2.840.5.png", True), ("1.2.840.5", True), ("1.2.840.6", False)):
        xml = (
            f'<annotations><image name="{name}"><box label="tb" xtl="1" ytl="2" xbr="3" ybr="4"/></image></annotations>'
        )
        path = saved(tmp_path, xml, "l.xml")
        if known:
            assert read_label(path, image).boxes == [[1, 2, 3, 4]]
        else:
            with pytest.raises(ValueError, match=r"none of them 0001\.dcm"):
                read_label(path, image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_exif_turns_is_labeled_in_stored_pixels(orientation: int, tmp_path: Path) -> None:
    """3D Slicer shows it as it is stored, CVAT as it is to be shown."""
    image, exif = tmp_path / "image.jpg", Image.Exif()
    exif[274] = orientation
    pixels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    pixels[2:8, 24:34] = 255
    Image.fromarray(pixels).save(image, exif=exif, quality=100)
    with Image.open(image) as picture:
        shown = np.asarray(ImageOps.exif_transpose(picture)) > 127
    ys, xs = np.nonzero(shown)
    height, width = shown.shape
    edges = f'xtl="{xs.min()}" ytl="{ys.min()}" xbr="{xs.max() + 1}" ybr="{ys.max() + 1}"'
    xml = (
        f'<annotations><image name="image.jpg" width="{width}" height="{height}"><box label="tb" {edges}/></image>'
        "</annotations>"
    )
    label = read_label(saved(tmp_path, xml, "l.xml"), image)
    assert label.boxes == [BOX]
    assert label.stored_size == (HEIGHT, WIDTH)
    assert label.upright_boxes == [[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]]
    markups = boxes_to_markups([BOX], image_geometry(image))
    np.testing.assert_allclose(read_label(saved(tmp_path, markups), image).boxes, [BOX], atol=1e-6)
    mask = tmp_path / "mask.nrrd"
    write_mask((pixels > 127).astype(np.uint8), mask, image_geometry(image))
    assert read_label(mask, image).boxes == [BOX]


def test_a_mask_of_another_size_or_place_is_refused(tmp_path: Path) -> None:
    image = nifti(tmp_path / "image.nii.gz", TILTED)
    Image.fromarray(np.ones((10, 10), dtype=np.uint8)).save(tmp_path / "label.png")
    with pytest.raises(ValueError, match="10 x 10"):
        read_label(tmp_path / "label.png", image)
    elsewhere = nifti(tmp_path / "label.nii.gz", TILTED + np.array([[0, 0, 0, 99]] * 3 + [[0, 0, 0, 0]]))
    with pytest.raises(ValueError, match="does not lie on the image"):
        read_label(elsewhere, image)


def test_a_mask_of_many_parts_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    Image.fromarray((np.arange(90_000).reshape(300, 300) % 251).astype(np.uint8)).save(image)
    parts = np.zeros((300, 300), dtype=np.uint8)
    parts[::4, ::4] = 1
    Image.fromarray(parts).save(tmp_path / "label.png")
    with pytest.raises(ValueError, match="5625 parts"):
        read_label(tmp_path / "label.png", image)
    parts[100:] = 0
    parts[:, 100:] = 0
    Image.fromarray(parts).save(tmp_path / "label.png")
    assert len(read_label(tmp_path / "label.png", image).boxes) == 625
