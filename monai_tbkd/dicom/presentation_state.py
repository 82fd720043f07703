"""Boxes and score as a presentation state, which some viewers show over the image."""

from __future__ import annotations

from copy import deepcopy
from fractions import Fraction

import numpy as np
from highdicom import pr
from pydicom import Dataset

from monai_tbkd.data.readers.dicom_display import find_voi
from monai_tbkd.data.readers.dicom_elements import text_of, values_of
from monai_tbkd.dicom.image_finding import ImageFinding
from monai_tbkd.dicom.result_object import dicom_result, result_uid, series_of
from monai_tbkd.dicom.source_image import SourceImage, faults_named
from monai_tbkd.transforms import NOTICE


@dicom_result
def presentation_state(source: SourceImage, finding: ImageFinding) -> pr.GrayscaleSoftcopyPresentationState:
    """Make a Grayscale Softcopy Presentation State (PS3.3, A.33.1): boxes with scores, decision and notice.

    Gray values and the shape of pixels are shown as without it.
    """
    image = deepcopy(source.bare)
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    layer = pr.GraphicLayer("TBKD", order=1, description=f"Tuberculosis, {NOTICE}")
    units = pr.AnnotationUnitsValues
    boxes = [
        pr.GraphicObject(
            pr.GraphicTypeValues.POLYLINE,
            box.outline(source.size),
            units.PIXEL,
            tracking_id=f"box {number}",
            tracking_uid=result_uid(source, finding, "SR", f"box {number}"),
        )
        for number, box in enumerate(finding.boxes, start=1)
    ]
    texts = [
        pr.TextObject(
            f"TB {100 * box.score:.0f}",
            units.PIXEL,
            anchor_point=(float(box.xmin), float(box.ymin)),
            anchor_point_visible=False,
        )
        for box in finding.boxes
    ]
    headline = pr.TextObject(
        f"{finding.headline}\r\n{finding.notice.capitalize()}",
        units.DISPLAY,
        bounding_box=(0.0, 0.9, 1.0, 1.0),
        text_justification="LEFT",
    )
    drawn = pr.GraphicAnnotation([image], layer, graphic_objects=boxes or None, text_objects=[*texts, headline])
    result = pr.GrayscaleSoftcopyPresentationState(
        referenced_images=[image],
        content_label="TB",
        content_description=NOTICE,
        graphic_layers=[layer],
        graphic_annotations=[drawn],
        **series_of(source, finding, "GSPS"),
    )
    if source.row_height != 1:  # highdicom assumes square pixels
        (area,) = result.DisplayedAreaSelectionSequence
        ratio = Fraction(source.row_height).limit_denominator(1000)
        area.PresentationPixelAspectRatio = [ratio.numerator, ratio.denominator]
    with faults_named():
        carry_gray_values(source.header, result)
    return result


def carry_gray_values(image: Dataset, state: Dataset) -> None:
    """Copy the image's modality LUT, its first usable VOI LUT or window, and its inversion into a presentation state.

    A state without them would show the stored values (PS3.4, N.2). The steps are those that images are read by, so that
    the state shows what was scored.
    """
    if image.get("ModalityLUTSequence"):
        state.ModalityLUTSequence = [_lut(image, image.ModalityLUTSequence[0])]
    elif image.get("RescaleSlope") and image.get("RescaleIntercept") is not None:
        state.RescaleSlope, state.RescaleIntercept = image.RescaleSlope, image.RescaleIntercept
        state.RescaleType = image.get("RescaleType") or "US"
    item = Dataset()
    voi = find_voi(image, can_be_negative=False)
    if voi.lut is not None:
        item.VOILUTSequence = [_lut(image, image.VOILUTSequence[voi.number])]
    elif voi.window is not None:
        item.WindowCenter, item.WindowWidth = (
            values_of(image, key)[voi.number] for key in ("WindowCenter", "WindowWidth")
        )
        if voi.window.function != "LINEAR":
            item.VOILUTFunction = voi.window.function
    if len(item):
        state.SoftcopyVOILUTSequence = [item]
    inverse = text_of(image, "PhotometricInterpretation") == "MONOCHROME1" or (
        text_of(image, "PresentationLUTShape") == "INVERSE"
    )
    state.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"


def _lut(image: Dataset, item: Dataset) -> Dataset:
    lut = deepcopy(item)
    _, little = image.original_encoding
    if not little and isinstance(lut.LUTData, bytes):
        # words of a big endian file, which pydicom leaves as they are, go into a little endian one
        lut["LUTData"].value = np.frombuffer(lut.LUTData, ">u2").astype("<u2").tobytes()
    entries, _, bits = (int(value) for value in lut.LUTDescriptor)
    words = lut.LUTData
    if bits == 8 and not isinstance(words, bytes) and len(words) == (entries or 2**16):
        # one entry per word, as some write it; the standard packs two (PS3.3, C.11.1.1.1)
        packed = np.asarray(words, dtype=np.uint8).tobytes()
        lut.add_new("LUTData", "OW", packed + b"\0" * (len(packed) % 2))
    return lut
