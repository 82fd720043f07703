"""What an annotator says of a film, from every form that it is saved in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_tbkd.data import CXRReader, FilmError, FilmTurn
from monai_tbkd.data.film_classes import box_type_of, class_of
from monai_tbkd.data.number_range import is_number
from monai_tbkd.data.outside_text import decode_text
from monai_tbkd.label.cvat_labels import CvatLabel, is_cvat, read_cvat_json, read_cvat_xml
from monai_tbkd.label.film_geometry import film_geometry
from monai_tbkd.label.film_words import IMAGE_LABEL, film_class
from monai_tbkd.label.label_limits import few, read_text_label
from monai_tbkd.label.label_map import PLACED_SUFFIXES, PLAIN_SUFFIXES, mask_to_boxes, read_mask
from monai_tbkd.label.read_apart import read_apart
from monai_tbkd.label.report_label import REPORT_SUFFIX, read_report_label
from monai_tbkd.label.series_film import frontal_film
from monai_tbkd.label.slicer_markups import markups_to_boxes


@dataclass(frozen=True)
class FilmLabel:
    """A film's label.

    Attributes:
        film: the file that was labeled.
        boxes: ``[xmin, ymin, xmax, ymax]`` each, in pixels of the film as stored, cut at its edges.
        box_types: ``active``, ``latent``, ``uncertain`` or ``unspecified``; one a box.
        class_name: ``tb`` where there is a box or the annotator says so, else ``non_tb``, ``health`` or ``sick`` as
            the annotator says.
        upright_size: (height, width) of the upright film.
        turn: how the stored pixels were turned upright.
        left_out: what a report of a viewer held beside its boxes, such as ``Length``.
    """

    film: Path
    boxes: list[list[float]]
    box_types: list[str]
    class_name: str
    upright_size: tuple[int, int]
    turn: FilmTurn = field(default_factory=FilmTurn)
    left_out: tuple[str, ...] = ()

    @property
    def is_tb(self) -> bool:
        """The image-level label."""
        return self.class_name == "tb"

    @property
    def summary(self) -> dict[str, Any]:
        """What is noted of a label when it is kept, JSON-able."""
        found = {"class_name": self.class_name, "boxes": self.boxes}
        return {**found, "left_out": list(self.left_out)} if self.left_out else found

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) of the pixels as stored."""
        height, width = self.upright_size
        return (width, height) if self.turn.transpose else (height, width)

    @property
    def upright_boxes(self) -> list[list[float]]:
        """The boxes in pixels of the upright film, which is what networks see."""
        return self.turn.boxes_upright(self.boxes, self.upright_size)


def read_label(
    label: str | Path, film: str | Path, info: Mapping[str, Any] | None = None, identifier: str = ""
) -> FilmLabel:
    """Read a label.

    Args:
        label: JSON (ours, 3D Slicer's markups, CVAT's shapes), CVAT's XML, a report of OHIF (DICOM SR), or a mask (PNG,
            NRRD, NIfTI).
        film: the film, or the folder of its DICOM series.
        info: what was saved with the label; ``image_label`` in it is taken where the label has none of its own.
        identifier: of the film in a store, which CVAT's XML may name it by.

    Returns:
        The label, its boxes in the film's pixels.

    Raises:
        ValueError: the label cannot be understood, is not of this film, or says nothing or two things of it.
        FilmError: the film cannot be read.
    """
    label = Path(label)
    try:
        return read_apart(_read_label, label, Path(film), dict(info or {}), identifier)
    except FilmError as error:
        if error.path != str(label):
            raise
        raise ValueError(f"The label cannot be read: {error.detail}.") from error


def _read_label(label: Path, film: Path, info: Mapping[str, Any], identifier: str) -> FilmLabel:
    given, film = film, frontal_film(film)
    _, meta = _ANY_FILM.get_data([film])
    turn = FilmTurn.from_text(str(meta["turn"]))
    height, width = (int(v) for v in meta["original_size"])
    stored_size = (width, height) if turn.transpose else (height, width)
    uid, said = str(meta.get("sop_instance_uid") or ""), info.get(IMAGE_LABEL)
    types: list[str] | None = None
    left_out: tuple[str, ...] = ()
    name = label.name.lower()
    if name.endswith(".json"):
        content = _load(label)
        _check_image(content, stored_size, uid)
        boxes, types, own = _from_json(content, film)
        said = _one_word(said, own)
    elif name.endswith(".xml"):
        own_names = [film.name] if film == given else []  # all series of a PACS have the same names of files
        found = read_cvat_xml(label, [*own_names, *(each for each in (identifier, uid) if each)])
        boxes, types = _with_types(found.shapes)
        boxes = _as_cvat_shows(found, boxes, turn, (height, width), str(meta["source_format"]))
        said = _one_word(said, found.said)
    elif name.endswith(REPORT_SUFFIX):
        report = read_report_label(label, uid, said)
        (boxes, types), said, left_out = _with_types(report.shapes), report.said, report.left_out
    elif name.endswith((*PLAIN_SUFFIXES, *PLACED_SUFFIXES)):
        boxes = mask_to_boxes(read_mask(label, film, stored_size))
    else:
        raise ValueError("The label is of an unknown type; expected JSON, XML, DICOM, PNG, NRRD or NIfTI.")
    if said in (None, "") and not boxes:  # labels of earlier versions: without a box was non_tb, and was noted so
        understood = info.get("understood")
        said = understood.get("class_name") if isinstance(understood, Mapping) else None
    cut = [_cut(box, stored_size) for box in few(boxes)]
    types = types or ["unspecified"] * len(boxes)
    return FilmLabel(film, cut, types, film_class(said, len(cut)), (height, width), turn, left_out)


def _as_cvat_shows(
    found: CvatLabel, boxes: list[list[float]], turn: FilmTurn, upright: tuple[int, int], source_format: str
) -> list[list[float]]:
    """Boxes of CVAT, which shows a picture upright where its EXIF says how, in pixels as stored."""
    stored = (upright[1], upright[0]) if turn.transpose else upright
    shown = stored if source_format == "dicom" else upright
    if found.size not in (None, shown, stored):
        raise ValueError(
            f"The XML is of an image of {found.size} pixels (height, width); expected {shown}, so export the image "
            "that is labeled."
        )
    as_stored = source_format == "dicom" or found.size not in (None, shown)
    return boxes if as_stored else turn.boxes_as_stored(boxes, upright)


# Whatever a rule says of scoring a film, a person may label it.
_ANY_FILM = CXRReader(min_side=1, min_age=0, secondary_capture=True, any_view=True, any_body_part=True)


_FORMS = ("markups", "boxes", "annotations")


def _load(path: Path) -> Any:
    content = read_text_label(path)
    try:
        return json.loads(decode_text(content), object_pairs_hook=_without_doubles)
    except RecursionError as error:
        raise ValueError("The label is not JSON in UTF-8 (nested too deep).") from error
    except ValueError as error:
        raise ValueError(f"The label is not JSON in UTF-8 ({error}).") from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        double = next(key for key in found if sum(key == name for name, _ in pairs) > 1)
        raise ValueError(f"the key {double[:40]!r} stands twice")
    return found


def _check_image(content: Any, stored_size: tuple[int, int], uid: str) -> None:
    """An answer of this app names its image; it may be saved as a label of that one alone."""
    if not isinstance(content, Mapping):
        return
    named, size = content.get("sop_instance_uid"), (content.get("image_height"), content.get("image_width"))
    if named not in (None, "", uid) or size not in ((None, None), stored_size):
        raise ValueError(
            f"The label is of another image, of {size[0]} x {size[1]} pixels; expected one of {stored_size[0]} x "
            f"{stored_size[1]} pixels and the SOP instance UID {uid or 'of none'}."
        )


def _one_word(said: Any, own: Any) -> Any:
    """What the label calls the image, else what was saved with it; they must not contradict each other."""
    if own is not None and said not in (None, "") and (film_class(own, 0) == "tb") != (film_class(said, 0) == "tb"):
        raise ValueError(
            f"The label calls the image {str(own)[:40]!r}, and {IMAGE_LABEL} that it is saved with {str(said)[:40]!r}; "
            "remove one of the two."
        )
    return said if own is None else own


def _from_json(content: Any, film: Path) -> tuple[list[list[float]], list[str] | None, Any]:
    forms = [key for key in _FORMS if isinstance(content, Mapping) and isinstance(content.get(key), list)]
    form = forms[0] if forms else ""
    answered = form == "boxes" and content["boxes"]  # an answer of this app has them for CVAT again, as annotations
    if others := [] if answered else [key for key in forms[1:] if content[key]]:
        raise ValueError(f"The label has {form} and {' and '.join(others)}; expected one of them.")
    if form == "markups":
        few(content["markups"], "markups")
        boxes, word = markups_to_boxes(content, film_geometry(film))
        return boxes, None, content.get(IMAGE_LABEL, word)
    if form == "boxes":
        boxes, types = _with_types([_our_box(each) for each in few(content["boxes"])])
        return boxes, types, content.get(IMAGE_LABEL)
    if is_cvat(content):
        found = read_cvat_json(content)
        boxes, types = _with_types(found.shapes)
        return boxes, types, found.said
    if isinstance(content, Mapping) and IMAGE_LABEL in content:
        return [], [], content[IMAGE_LABEL]
    raise ValueError("The label is JSON of an unknown form; expected boxes, markups, or CVAT's shapes.")


def _our_box(each: Any) -> tuple[str, list[float]]:
    if isinstance(each, Mapping):
        return str(each.get("label", "tuberculosis")), four_numbers(each.get("bbox"))
    return "tuberculosis", four_numbers(each)


def _with_types(found: Sequence[tuple[str, list[float]]]) -> tuple[list[list[float]], list[str]]:
    types = []
    for word, _ in found:
        kind = box_type_of(word)
        if kind is None and class_of(word) != "tb":
            raise ValueError(f"A box has the label {word!r}; expected tuberculosis, or one of its types.")
        types.append(kind or "unspecified")
    return [box for _, box in found], types


def four_numbers(value: Any) -> list[float]:
    """A box.

    Raises:
        ValueError: anything but four finite numbers.
    """
    if (
        not isinstance(value, Sequence)
        or isinstance(value, str)
        or len(value) < 4
        or not all(is_number(v) for v in value)
    ):
        raise ValueError(f"A box is {str(value)[:80]}; expected [xmin, ymin, xmax, ymax], finite numbers.")
    return [float(v) for v in value[:4]]


def _cut(box: Sequence[float], stored_size: tuple[int, int]) -> list[float]:
    height, width = stored_size
    xmin, ymin, xmax, ymax = box
    cut = [max(0.0, min(xmin, width)), max(0.0, min(ymin, height)), min(xmax, width), min(ymax, height)]
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        raise ValueError(
            f"A box is {[round(edge, 2) for edge in box]} on a film of {height} x {width} pixels; expected one that "
            "lies on the film, [xmin, ymin, xmax, ymax]."
        )
    return [float(edge) for edge in cut]
