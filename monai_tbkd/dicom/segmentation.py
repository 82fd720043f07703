"""The map of a film as a fractional segmentation, its boxes as a binary one."""

from __future__ import annotations

import math

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

from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom import coded_terms as terms
from monai_tbkd.dicom.equipment import algorithm_sequence, result_uid, series_of
from monai_tbkd.dicom.film_finding import BoxFinding, FilmFinding
from monai_tbkd.dicom.result_error import DicomResultError
from monai_tbkd.dicom.source_film import SourceFilm
from monai_tbkd.dicom.structured_report import outline
from monai_tbkd.dicom.whole_object import finished
from monai_tbkd.transforms import NOTICE
from monai_tbkd.transforms.map_to_mask import upsample_map

MAP_SERIES_NUMBER, BOXES_SERIES_NUMBER = 9702, 9703
MAP_DESCRIPTION, BOXES_DESCRIPTION = f"TB map SEG, {NOTICE}", f"TB boxes SEG, {NOTICE}"


@quiet_pydicom()
def map_segmentation(source: SourceFilm, finding: FilmFinding) -> Segmentation:
    """Make a segmentation (PS3.3, A.51) of type FRACTIONAL, its values the map's TB probabilities in 255 steps.

    A parametric map would be the natural object; a film without a frame of reference cannot have one.

    Args:
        source: the film.
        finding: with its map.

    Returns:
        One segment on the stored pixel matrix, not yet written.

    Raises:
        DicomResultError: the finding has no map, or an element of the film cannot be carried over.
    """
    if finding.tb_map is None:
        raise DicomResultError("there is no map to write a segmentation of")
    turn = source.turn
    rows, columns = source.size
    size = (columns, rows) if turn.transpose else (rows, columns)
    grid = torch.from_numpy(np.ascontiguousarray(finding.tb_map, dtype=np.float32))[None]
    upright = upsample_map(grid, size)[0].clamp(0.0, 1.0).numpy()
    segment = SegmentDescription(
        1,
        "TB map",
        terms.ABNORMAL,
        terms.TUBERCULOSIS,
        SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm_sequence(finding),
        tracking_uid=result_uid(source, finding, "SEG map", "segment"),
        tracking_id="TB map",
    )
    return _segmentation(
        source,
        finding,
        turn.as_stored(upright)[None],
        [segment],
        "SEG map",
        MAP_SERIES_NUMBER,
        MAP_DESCRIPTION,
        fractional=True,
    )


@quiet_pydicom()
def box_segmentation(source: SourceFilm, finding: FilmFinding) -> Segmentation:
    """Make a segmentation of type BINARY with a segment for each box: every pixel that the box touches.

    Args:
        source: the film.
        finding: with at least one box.

    Returns:
        Segments in the order of the boxes, on the stored pixel matrix, not yet written.

    Raises:
        DicomResultError: the finding has no boxes, or an element of the film cannot be carried over.
        ValueError: a box reaches beyond the film.
    """
    if not finding.boxes:
        raise DicomResultError("there are no boxes to write a segmentation of")
    masks = np.zeros((1, *source.size, len(finding.boxes)), dtype=np.uint8)
    segments = []
    for index, box in enumerate(finding.boxes):
        rows, columns = touched(box, source.size)
        masks[0, rows, columns, index] = 1
        segments.append(
            SegmentDescription(
                index + 1,
                f"TB box {index + 1}, score {100 * box.score:.2f}",
                terms.ABNORMAL,
                terms.TUBERCULOSIS,
                SegmentAlgorithmTypeValues.AUTOMATIC,
                algorithm_identification=algorithm_sequence(finding),
                # that of the box's group in the report
                tracking_uid=result_uid(source, finding, "SR", f"box {index + 1}"),
                tracking_id=f"box {index + 1}",
                anatomic_regions=[terms.LUNG],
            )
        )
    return _segmentation(
        source, finding, masks, segments, "SEG boxes", BOXES_SERIES_NUMBER, BOXES_DESCRIPTION, fractional=False
    )


def touched(box: BoxFinding, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the pixels that a box touches; at least one pixel.

    Args:
        box: on the stored pixels.
        size: (rows, columns) of the film.

    Raises:
        ValueError: the box reaches beyond the film.
    """
    outline(box, size)
    return slice(math.floor(box.ymin), math.ceil(box.ymax)), slice(math.floor(box.xmin), math.ceil(box.xmax))


def _segmentation(
    source: SourceFilm,
    finding: FilmFinding,
    pixels: NDArray[np.generic],
    segments: list[SegmentDescription],
    kind: str,
    number: int,
    description: str,
    fractional: bool,
) -> Segmentation:
    bare = source.without_patient()
    spacing = source.spacing_mm
    # A film has no slices; readers want a thickness where there is a spacing.
    measures = hd.PixelMeasuresSequence(spacing, slice_thickness=1.0) if spacing else None
    result = Segmentation(
        source_images=[bare],
        pixel_array=pixels,
        segmentation_type=SegmentationTypeValues.FRACTIONAL if fractional else SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        fractional_type=SegmentationFractionalTypeValues.PROBABILITY,
        max_fractional_value=255,
        content_description=NOTICE,
        content_label="TB",
        content_qualification=hd.ContentQualificationValues.RESEARCH,
        pixel_measures=measures,
        omit_empty_frames=False,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **series_of(source, finding, kind, number, description),
    )
    # PS3.3, C.7.6.1.1.1: wanted where there is no frame of reference, and highdicom leaves it out
    result.PatientOrientation = bare.PatientOrientation
    finished(result, source)
    return result
