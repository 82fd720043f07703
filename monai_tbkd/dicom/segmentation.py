"""The map of an image as a fractional segmentation, its boxes as a binary one."""

from __future__ import annotations

import math
from typing import Any

import highdicom as hd
import numpy as np
import torch
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationFractionalTypeValues,
    SegmentationTypeValues,
    SegmentDescription,
)
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRLittleEndian

from monai_tbkd.dicom import coded_terms as terms
from monai_tbkd.dicom.image_finding import BoxFinding, ImageFinding
from monai_tbkd.dicom.result_object import algorithm_sequence, dicom_result, result_uid, series_of
from monai_tbkd.dicom.source_image import DicomResultError, SourceImage
from monai_tbkd.dicom.structured_report import outline
from monai_tbkd.transforms import NOTICE
from monai_tbkd.transforms.map_to_boxes import upsample_map


@dicom_result
def map_segmentation(source: SourceImage, finding: ImageFinding) -> Segmentation:
    """Make a segmentation (PS3.3, A.51) of type FRACTIONAL: one segment, the map's TB probabilities in 255 steps.

    A parametric map would be the natural object; an image without a frame of reference cannot have one.

    Raises:
        DicomResultError: the finding has no map, or an element of the image cannot be carried over.
    """
    if finding.tb_map is None:
        raise DicomResultError("there is no map to write a segmentation of")
    rows, columns = source.size
    grid = torch.from_numpy(np.ascontiguousarray(finding.tb_map, dtype=np.float32))[None]
    upright = upsample_map(grid, (columns, rows) if source.turn.transpose else (rows, columns))[0].clamp(0, 1).numpy()
    segment = _segment(finding, 1, "TB map", "TB map", result_uid(source, finding, "SEG map", "segment"))
    return _segmentation(source, finding, source.turn.as_stored(upright)[None], [segment], "SEG map")


@dicom_result
def box_segmentation(source: SourceImage, finding: ImageFinding) -> Segmentation:
    """Make a segmentation of type BINARY with a segment for each box, in their order: every pixel that it touches.

    Raises:
        DicomResultError: the finding has no boxes, or an element of the image cannot be carried over.
        ValueError: a box reaches beyond the image.
    """
    if not finding.boxes:
        raise DicomResultError("there are no boxes to write a segmentation of")
    masks = np.zeros((1, *source.size, len(finding.boxes)), dtype=np.uint8)
    segments = []
    for number, box in enumerate(finding.boxes, start=1):
        rows, columns = touched(box, source.size)
        masks[0, rows, columns, number - 1] = 1
        # the same tracking UID as the box's group in the report
        uid, label = result_uid(source, finding, "SR", f"box {number}"), f"TB box {number}, score {100 * box.score:.2f}"
        segments.append(_segment(finding, number, label, f"box {number}", uid, anatomic_regions=[terms.LUNG]))
    return _segmentation(source, finding, masks, segments, "SEG boxes")


def touched(box: BoxFinding, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the pixels that a box touches; at least one pixel.

    Raises:
        ValueError: the box reaches beyond the image, whose (rows, columns) are `size`.
    """
    outline(box, size)
    return slice(math.floor(box.ymin), math.ceil(box.ymax)), slice(math.floor(box.xmin), math.ceil(box.xmax))


def _segment(
    finding: ImageFinding, number: int, label: str, tracking_id: str, tracking_uid: hd.UID, **more: Any
) -> SegmentDescription:
    return SegmentDescription(
        number,
        label,
        terms.ABNORMAL,
        terms.TUBERCULOSIS,
        SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm_sequence(finding),
        tracking_uid=tracking_uid,
        tracking_id=tracking_id,
        **more,
    )


def _segmentation(
    source: SourceImage,
    finding: ImageFinding,
    pixels: NDArray[np.generic],
    segments: list[SegmentDescription],
    kind: str,
) -> Segmentation:
    bare = source.without_patient()
    spacing = source.spacing_mm
    types = SegmentationTypeValues
    result = Segmentation(
        source_images=[bare],
        pixel_array=pixels,
        segmentation_type=types.FRACTIONAL if kind == "SEG map" else types.BINARY,
        segment_descriptions=segments,
        fractional_type=SegmentationFractionalTypeValues.PROBABILITY,
        max_fractional_value=255,
        content_description=NOTICE,
        content_label="TB",
        content_qualification=hd.ContentQualificationValues.RESEARCH,
        # an image has no slices, but readers require a thickness with a spacing
        pixel_measures=hd.PixelMeasuresSequence(spacing, slice_thickness=1.0) if spacing else None,
        omit_empty_frames=False,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **series_of(source, finding, kind),
    )
    # PS3.3, C.7.6.1.1.1: required without a frame of reference, and missing in highdicom
    result.PatientOrientation = bare.PatientOrientation
    return result
