"""Boxes and score as a presentation state, which some viewers lay over the film itself."""

from __future__ import annotations

from fractions import Fraction

from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    GrayscaleSoftcopyPresentationState,
    TextObject,
)

from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom.equipment import result_uid, series_of
from monai_tbkd.dicom.film_finding import FilmFinding
from monai_tbkd.dicom.gray_values import carry_gray_values
from monai_tbkd.dicom.source_film import SourceFilm, faults_named
from monai_tbkd.dicom.structured_report import outline
from monai_tbkd.dicom.whole_object import finished
from monai_tbkd.transforms import NOTICE

GSPS_SERIES_NUMBER = 9705
GSPS_DESCRIPTION = f"TB boxes GSPS, {NOTICE}"


@quiet_pydicom()
def presentation_state(source: SourceFilm, finding: FilmFinding) -> GrayscaleSoftcopyPresentationState:
    """Make a Grayscale Softcopy Presentation State (PS3.3, A.33.1): boxes with scores, decision and notice.

    Gray values and the shape of pixels are shown as without it: modality and VOI LUTs are the film's, inversion
    included.

    Args:
        source: the film.
        finding: what was found.

    Returns:
        The state, not yet written.

    Raises:
        DicomResultError: an element of the film cannot be carried over.
        ValueError: a box reaches beyond the film.
    """
    bare = source.without_patient()
    bare.SamplesPerPixel, bare.PhotometricInterpretation = 1, "MONOCHROME2"
    layer = GraphicLayer("TBKD", order=1, description=f"Tuberculosis, {NOTICE}")
    boxes, texts = [], []
    for number, box in enumerate(finding.boxes, start=1):
        corners = outline(box, source.size)
        boxes.append(
            GraphicObject(
                GraphicTypeValues.POLYLINE,
                corners,
                AnnotationUnitsValues.PIXEL,
                tracking_id=f"box {number}",
                tracking_uid=result_uid(source, finding, "SR", f"box {number}"),
            )
        )
        texts.append(
            TextObject(
                f"TB {100 * box.score:.0f}",
                AnnotationUnitsValues.PIXEL,
                anchor_point=(float(corners[0, 0]), float(corners[0, 1])),
                anchor_point_visible=False,
            )
        )
    texts.append(
        TextObject(
            f"{finding.headline}\r\n{finding.notice.capitalize()}",
            AnnotationUnitsValues.DISPLAY,
            bounding_box=(0.0, 0.9, 1.0, 1.0),
            text_justification="LEFT",
        )
    )
    result = GrayscaleSoftcopyPresentationState(
        referenced_images=[bare],
        content_label="TB",
        content_description=NOTICE,
        graphic_layers=[layer],
        graphic_annotations=[GraphicAnnotation([bare], layer, graphic_objects=boxes or None, text_objects=texts)],
        **series_of(source, finding, "GSPS", GSPS_SERIES_NUMBER, GSPS_DESCRIPTION),
    )
    if source.row_height != 1:  # highdicom has square pixels alone
        (area,) = result.DisplayedAreaSelectionSequence
        ratio = Fraction(source.row_height).limit_denominator(1000)
        area.PresentationPixelAspectRatio = [ratio.numerator, ratio.denominator]
    with faults_named():
        carry_gray_values(source.header, result)
    finished(result, source)
    return result
