"""An image with boxes and score burnt in, for viewers that show nothing else."""

from __future__ import annotations

import textwrap

import highdicom as hd
import numpy as np
import torch
from highdicom.sc import SCImage
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from monai_tbkd.dicom.image_finding import ImageFinding
from monai_tbkd.dicom.result_object import dicom_result, series_of
from monai_tbkd.dicom.source_image import SourceImage
from monai_tbkd.transforms import ImageTo8Bit
from monai_tbkd.transforms.overlay import PREDICTED_COLOR, draw_boxes

LONGEST_SIDE = 1536
"""Of the image in the picture, in pixels; larger images are made smaller."""
_SMALLEST_TEXT, _NARROWEST = 11, 320


@dicom_result
def secondary_capture(
    source: SourceImage, finding: ImageFinding, image: NDArray[np.floating], longest_side: int = LONGEST_SIDE
) -> SCImage:
    """Make a Secondary Capture (PS3.3, A.8.1) that shows the upright image with boxes, scores, decision and notice.

    Args:
        source: the image.
        finding: what was found.
        image: its upright pixels ``(H, W)``, larger values brighter, as `decode_image` gives them.
        longest_side: of the image in the picture; smaller images keep their size.

    Raises:
        ValueError: `image` is not the upright image of `source`.
    """
    rows, columns = source.size
    turn = source.turn
    if image.shape != ((columns, rows) if turn.transpose else (rows, columns)):
        raise ValueError(
            f"The upright image has shape {image.shape}, and {rows} rows and {columns} columns are stored."
        )
    boxes = turn.boxes_upright([[b.xmin, b.ymin, b.xmax, b.ymax] for b in finding.boxes], image.shape)
    row_height = 1 / source.row_height if turn.transpose else source.row_height
    result = SCImage.from_ref_dataset(
        ref_dataset=source.bare,
        pixel_array=draw_finding(image, finding, boxes, longest_side, row_height),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_qualification=hd.ContentQualificationValues.RESEARCH,
        **series_of(source, finding, "SC"),
    )
    if source.orientation is None:
        result.PatientOrientation = None
    result.ImageType = ["DERIVED", "SECONDARY"]
    result.DerivationDescription = f"Boxes, scores and text burnt in; {finding.notice}"
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.header.SOPClassUID, source.header.SOPInstanceUID
    purpose = codes.DCM.SourceImageForImageProcessingOperation
    item.PurposeOfReferenceCodeSequence = [hd.sr.CodedConcept.from_code(purpose)]
    result.SourceImageSequence = [item]
    result.ImageComments = finding.notice
    marked = str(source.header.get("BurnedInAnnotation") or "").strip().upper()
    if marked in ("YES", "NO"):  # the drawn text does not identify the patient
        result.BurnedInAnnotation = marked
    return result


def draw_finding(
    image: NDArray[np.floating],
    finding: ImageFinding,
    boxes: list[list[float]],
    longest_side: int,
    row_height: float = 1.0,
) -> NDArray[np.uint8]:
    """Draw an image ``(H, W)`` of any range with its boxes between the headline and the notice.

    Image and boxes are upright; `row_height` is the height of a pixel divided by its width.

    Returns:
        ``(height, width, 3)`` uint8 of square pixels; wider than the image where the text needs room.
    """
    height, width = image.shape
    # stretch the shorter side of a pixel, so that no detail is lost
    square = (width * max(1.0, 1 / row_height), height * max(1.0, row_height))
    scale = min(1.0, longest_side / max(square))
    size = (max(1, round(square[0] * scale)), max(1, round(square[1] * scale)))
    # resize first to save memory
    shown = Image.fromarray(np.asarray(image, dtype=np.float32))
    if size != shown.size:
        shown = shown.resize(size, Image.Resampling.BOX if row_height == 1 else Image.Resampling.BILINEAR)
    gray = ImageTo8Bit()(torch.from_numpy(np.array(shown))[None])[0].numpy()
    small = Image.fromarray(gray)
    text_size = max(_SMALLEST_TEXT, round(max(small.size) / 60))
    font, large = ImageFont.load_default(text_size), ImageFont.load_default(round(1.3 * text_size))
    sheet_width = max(small.width, _NARROWEST)
    above = _fitted(finding.headline, large, sheet_width)
    notice = _fitted(f"{finding.notice.capitalize()}.", font, sheet_width)
    below = notice + _fitted(finding.model_version, font, sheet_width)
    line, large_line = round(1.4 * text_size), round(1.8 * text_size)
    top = large_line * len(above) + line // 2
    sheet = Image.new("RGB", (sheet_width, top + small.height + line * len(below) + line // 2), (0, 0, 0))
    left = (sheet_width - small.width) // 2
    sheet.paste(small.convert("RGB"), (left, top))
    draw = ImageDraw.Draw(sheet)
    for number, words in enumerate(above):
        draw.text((line // 2, line // 4 + number * large_line), words, fill=(255, 255, 255), font=large)
    for number, words in enumerate(below):
        color = PREDICTED_COLOR if number < len(notice) else (190, 190, 190)
        draw.text((line // 2, top + small.height + line // 4 + number * line), words, fill=color, font=font)
    scores = torch.tensor([box.score for box in finding.boxes], dtype=torch.float64)
    stroke, panel = max(2, round(max(small.size) / 400)), (small.height, small.width)
    draw_boxes(draw, boxes, scores, (height, width), panel, (left, top), PREDICTED_COLOR, stroke, text_size)
    return np.asarray(sheet)


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Wrap text to the width of the picture."""
    most = max(1, int(len(text) * (width - 20) / max(1.0, font.getlength(text))))
    return textwrap.wrap(text, most) or [""]
