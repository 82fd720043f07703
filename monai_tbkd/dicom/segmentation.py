"""The map of an image as a fractional segmentation, its boxes as a binary one."""

from __future__ import annotations

import math
from typing import Any

import highdicom as hd
import numpy as np
import torch
from highdicom import seg
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from monai_tbkd.data.files.own_results import MANUFACTURER
from monai_tbkd.dicom import coded_terms as terms
from monai_tbkd.dicom.image_finding import ImageFinding
from monai_tbkd.dicom.result_object import ALGORITHM, dicom_result, long_string, result_uid, series_of
from monai_tbkd.dicom.source_image import DicomResultError, SourceImage
from monai_tbkd.transforms import NOTICE
from monai_tbkd.transforms.map_to_boxes import upsample_map


@dicom_result
def map_segmentation(source: SourceImage, finding: ImageFinding) -> seg.Segmentation:
    """Make a segmentation (PS3.3, A.51) of type FRACTIONAL: one segment, the map's TB probabilities in 255 steps.

    A parametric map would be the natural object; an image without a frame of reference cannot have one.

    Raises:
        DicomResultError: the finding has no map.
    """
    if finding.tb_map is None:
        raise DicomResultError("there is no map to write a segmentation of")
    rows, columns = source.size
    grid = torch.from_numpy(np.ascontiguousarray(finding.tb_map, dtype=np.float32))[None]
    upright = upsample_map(grid, (columns, rows) if source.turn.transpose else (rows, columns))[0].clamp(0, 1).numpy()
    segment = _segment(finding, 1, "TB map", "TB map", result_uid(source, finding, "SEG map", "segment"))
    return _segmentation(source, finding, source.turn.as_stored(upright)[None], [segment], "SEG map")


@dicom_result
def box_segmentation(source: SourceImage, finding: ImageFinding) -> seg.Segmentation:
    """Make a segmentation of type BINARY with a segment for each box, in their order: every pixel that it touches.

    Raises:
        DicomResultError: the finding has no boxes.
    """
    if not finding.boxes:
        raise DicomResultError("there are no boxes to write a segmentation of")
    masks = np.zeros((1, *source.size, len(finding.boxes)), dtype=np.uint8)
    segments = []
    for number, box in enumerate(finding.boxes, start=1):
        (xmin, ymin), _, (xmax, ymax), *_ = box.outline(source.size)
        masks[0, math.floor(ymin) : math.ceil(ymax), math.floor(xmin) : math.ceil(xmax), number - 1] = 1
        # the same tracking UID as the box's group in the report
        uid, label = result_uid(source, finding, "SR", f"box {number}"), f"TB box {number}, score {100 * box.score:.2f}"
        segments.append(_segment(finding, number, label, f"box {number}", uid, anatomic_regions=[terms.LUNG]))
    return _segmentation(source, finding, masks, segments, "SEG boxes")


def _segment(
    finding: ImageFinding, number: int, label: str, tracking_id: str, tracking_uid: hd.UID, **more: Any
) -> seg.SegmentDescription:
    algorithm = hd.AlgorithmIdentificationSequence(
        name=ALGORITHM,
        version=long_string(finding.model_version),
        family=codes.DCM.ArtificialIntelligence,
        source=MANUFACTURER,
    )
    return seg.SegmentDescription(
        number,
        label,
        terms.ABNORMAL,
        terms.TUBERCULOSIS,
        seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=tracking_uid,
        tracking_id=tracking_id,
        **more,
    )


def _segmentation(
    source: SourceImage,
    finding: ImageFinding,
    pixels: NDArray[np.generic],
    segments: list[seg.SegmentDescription],
    kind: str,
) -> seg.Segmentation:
    spacing, types = source.spacing_mm, seg.SegmentationTypeValues
    result = seg.Segmentation(
        source_images=[source.bare],
        pixel_array=pixels,
        segmentation_type=types.FRACTIONAL if kind == "SEG map" else types.BINARY,
        segment_descriptions=segments,
        fractional_type=seg.SegmentationFractionalTypeValues.PROBABILITY,
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
    result.PatientOrientation = source.bare.PatientOrientation
    return result
