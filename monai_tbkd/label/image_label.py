"""An annotator's label of an image, from every form that it is saved in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_tbkd.data import CXRReader, ImageError, ImageTurn
from monai_tbkd.data.files.outside_text import decode_text
from monai_tbkd.data.lists.image_classes import box_type_of, class_of
from monai_tbkd.label.cvat_labels import is_cvat, read_cvat_json, read_cvat_xml
from monai_tbkd.label.image_geometry import image_geometry, read_apart
from monai_tbkd.label.image_ids import series_files
from monai_tbkd.label.label_content import IMAGE_LABEL, Drawn, Shape, are_numbers, few, image_class, read_text_label
from monai_tbkd.label.label_map import MASK_SUFFIXES, mask_to_boxes, read_mask
from monai_tbkd.label.report_label import REPORT_SUFFIX, read_report_label
from monai_tbkd.label.slicer_markups import read_markups

# Whatever a rule says of scoring an image, a person may label it.
_ANY_IMAGE = CXRReader(min_side=1, min_age=0, secondary_capture=True, any_view=True, any_body_part=True)
_FORMS = ("markups", "boxes", "annotations")


@dataclass(frozen=True)
class ImageLabel:
    """An image's label.

    Attributes:
        image: the file that was labeled.
        boxes: ``[xmin, ymin, xmax, ymax]`` each, in pixels of the image as stored, clipped at its edges.
        box_types: ``active``, ``latent``, ``uncertain`` or ``unspecified``; one a box.
        class_name: ``tb`` where there is a box or the annotator says so, else ``non_tb``, ``health`` or ``sick``.
        upright_size: (height, width) of the upright image.
        turn: how the stored pixels were turned upright.
        left_out: what a viewer's report held beside its boxes, such as ``Length``.
        identifier: of the image in a store.
    """

    image: Path
    boxes: list[list[float]]
    box_types: list[str]
    class_name: str
    upright_size: tuple[int, int]
    turn: ImageTurn = field(default_factory=ImageTurn)
    left_out: tuple[str, ...] = ()
    identifier: str = ""

    @property
    def is_tb(self) -> bool:
        """The image-level label."""
        return self.class_name == "tb"

    @property
    def summary(self) -> dict[str, Any]:
        """The note of a label that is kept, JSON-able."""
        found = {"class_name": self.class_name, "boxes": self.boxes}
        return {**found, "left_out": list(self.left_out)} if self.left_out else found

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) of the pixels as stored."""
        height, width = self.upright_size
        return (width, height) if self.turn.transpose else (height, width)

    @property
    def upright_boxes(self) -> list[list[float]]:
        """The boxes in pixels of the upright image, as networks see it."""
        return self.turn.boxes_upright(self.boxes, self.upright_size)


def read_label(
    label: str | Path, image: str | Path, info: Mapping[str, Any] | None = None, identifier: str = ""
) -> ImageLabel:
    """Read a label.

    Args:
        label: JSON (ours, 3D Slicer's markups, CVAT's shapes), CVAT's XML, a report of OHIF (DICOM SR), or a mask (PNG,
            NRRD, NIfTI).
        image: the image, or the folder of its DICOM series.
        info: what was saved with the label; ``image_label`` in it is taken where the label has none of its own.
        identifier: of the image in a store, by which CVAT's XML may name it.

    Raises:
        ValueError: the label cannot be understood, is not of this image, or says nothing or two things of it.
        ImageError: the image cannot be read.
    """
    label = Path(label)
    try:
        return read_apart(_read_label, label, Path(image), dict(info or {}), identifier)
    except ImageError as error:
        if error.path != str(label):
            raise
        raise ValueError(f"The label cannot be read: {error.detail}.") from error


def frontal_image(path: Path) -> Path:
    """Return the file of an image, or of the one image of a series that the reader's rules take."""
    if not path.is_dir():
        return path
    images = series_files(path)
    if len(images) > 1:
        images = [each for each in images if _is_taken(each)]
    if len(images) != 1:
        raise ValueError(f"A series with {len(images)} frontal images; expected one.")
    return images[0]


def _is_taken(image: Path) -> bool:
    try:
        CXRReader().get_data([image])
    except ImageError:
        return False
    return True


def _read_label(label: Path, given: Path, info: Mapping[str, Any], identifier: str) -> ImageLabel:
    image = frontal_image(given)
    _, meta = _ANY_IMAGE.get_data([image])
    turn, (height, width) = ImageTurn.from_text(str(meta["turn"])), (int(v) for v in meta["original_size"])
    empty = ImageLabel(image, [], [], "", (height, width), turn, identifier=identifier)
    uid, name = str(meta.get("sop_instance_uid") or ""), label.name.lower()
    if name.endswith(".json"):
        drawn = _read_json(label, empty, uid)
    elif name.endswith(".xml"):
        own_names = [image.name] if image == given else []  # all series of a PACS have the same names of files
        drawn = read_cvat_xml(label, [*own_names, *(each for each in (identifier, uid) if each)])
        drawn = _as_stored(drawn, empty, str(meta["source_format"]))
    elif name.endswith(REPORT_SUFFIX):
        drawn = read_report_label(label, uid, info.get(IMAGE_LABEL))
    elif name.endswith(MASK_SUFFIXES):
        drawn = Drawn([("tuberculosis", box) for box in mask_to_boxes(read_mask(label, image, empty.stored_size))])
    else:
        raise ValueError("The label is of an unknown type; expected JSON, XML, DICOM, PNG, NRRD or NIfTI.")
    types, said = [_box_type(word) for word, _ in drawn.shapes], _one_said(info.get(IMAGE_LABEL), drawn.said)
    if said in (None, "") and not drawn.shapes:  # labels of earlier versions: without a box was non_tb, and noted so
        understood = info.get("understood")
        said = understood.get("class_name") if isinstance(understood, Mapping) else None
    boxes = [_clipped(box, empty.stored_size) for _, box in few(drawn.shapes)]
    return ImageLabel(
        image, boxes, types, image_class(said, len(boxes)), (height, width), turn, drawn.left_out, identifier
    )


def _as_stored(drawn: Drawn, image: ImageLabel, source_format: str) -> Drawn:
    """Shapes of CVAT, which shows a picture upright where its EXIF says how, in pixels as stored."""
    shown = image.stored_size if source_format == "dicom" else image.upright_size
    if drawn.size not in (None, shown, image.stored_size):
        raise ValueError(
            f"The XML is of an image of {drawn.size} pixels (height, width); expected {shown}, so export the image "
            "that is labeled."
        )
    if source_format == "dicom" or drawn.size not in (None, shown):
        return drawn
    stored = image.turn.boxes_as_stored([box for _, box in drawn.shapes], image.upright_size)
    return drawn._replace(shapes=[(word, box) for (word, _), box in zip(drawn.shapes, stored, strict=True)])


def _read_json(label: Path, image: ImageLabel, uid: str) -> Drawn:
    text = read_text_label(label)
    try:
        content = json.loads(decode_text(text), object_pairs_hook=_without_doubles)
    except (RecursionError, ValueError) as error:
        what = "nested too deep" if isinstance(error, RecursionError) else error
        raise ValueError(f"The label is not JSON in UTF-8 ({what}).") from error
    own = content if isinstance(content, Mapping) else {}
    _check_image(own, image.stored_size, uid)
    forms = [key for key in _FORMS if isinstance(own.get(key), list)]
    form = forms[0] if forms else ""
    answered = form == "boxes" and own["boxes"]  # an answer of this app has them for CVAT again, as annotations
    if others := [] if answered else [key for key in forms[1:] if own[key]]:
        raise ValueError(f"The label has {form} and {' and '.join(others)}; expected one of them.")
    if form == "markups":
        drawn = read_markups({"markups": few(own["markups"], "markups")}, image_geometry(image.image))
        return drawn._replace(said=own.get(IMAGE_LABEL, drawn.said))
    if form == "boxes":
        return Drawn([_our_box(each) for each in few(own["boxes"])], own.get(IMAGE_LABEL))
    if is_cvat(content):
        return read_cvat_json(content)
    if IMAGE_LABEL in own:
        return Drawn([], own[IMAGE_LABEL])
    raise ValueError("The label is JSON of an unknown form; expected boxes, markups, or CVAT's shapes.")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:40]!r} stands twice")
        found[key] = value
    return found


def _check_image(content: Mapping[str, Any], stored_size: tuple[int, int], uid: str) -> None:
    """An answer of this app names its image; it may be saved as a label of that one alone."""
    named, size = content.get("sop_instance_uid"), (content.get("image_height"), content.get("image_width"))
    if named not in (None, "", uid) or size not in ((None, None), stored_size):
        raise ValueError(
            f"The label is of another image, of {size[0]} x {size[1]} pixels; expected one of {stored_size[0]} x "
            f"{stored_size[1]} pixels and the SOP instance UID {uid or 'of none'}."
        )


def _one_said(said: Any, own: Any) -> Any:
    """The label's own word for the image, else the one saved with it; they must not contradict each other."""
    if own is not None and said not in (None, "") and (image_class(own, 0) == "tb") != (image_class(said, 0) == "tb"):
        raise ValueError(
            f"The label calls the image {str(own)[:40]!r}, and {IMAGE_LABEL} that it is saved with {str(said)[:40]!r}; "
            "remove one of the two."
        )
    return said if own is None else own


def _our_box(each: Any) -> Shape:
    if isinstance(each, Mapping):
        return str(each.get("label", "tuberculosis")), four_numbers(each.get("bbox"))
    return "tuberculosis", four_numbers(each)


def _box_type(word: str) -> str:
    kind = box_type_of(word)
    if kind is None and class_of(word) != "tb":
        raise ValueError(f"A box has the label {word!r}; expected tuberculosis, or one of its types.")
    return kind or "unspecified"


def four_numbers(value: Any) -> list[float]:
    """Return the first four numbers of a box; raise ValueError if they are not finite numbers."""
    if not are_numbers(value, 4):
        raise ValueError(f"A box is {str(value)[:80]}; expected [xmin, ymin, xmax, ymax], finite numbers.")
    return [float(v) for v in value[:4]]


def _clipped(box: Sequence[float], stored_size: tuple[int, int]) -> list[float]:
    height, width = stored_size
    xmin, ymin, xmax, ymax = box
    inside = [max(0.0, min(xmin, width)), max(0.0, min(ymin, height)), min(xmax, width), min(ymax, height)]
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        raise ValueError(
            f"A box is {[round(edge, 2) for edge in box]} on an image of {height} x {width} pixels; expected one that "
            "lies on the image, [xmin, ymin, xmax, ymax]."
        )
    return [float(edge) for edge in inside]
