"""How a film's gray values are shown, carried over into a presentation state."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
from pydicom import Dataset

from monai_tbkd.data.readers.dicom_display import find_voi
from monai_tbkd.data.readers.dicom_elements import text_of, values_of


def carry_gray_values(film: Dataset, state: Dataset) -> None:
    """Give a presentation state the film's modality LUT, its first usable VOI LUT or window, and its inversion.

    As they stand: a state without them would show the stored values (PS3.4, N.2). The steps are those that films are
    read by, so that the state shows what was scored.

    Args:
        film: the film's data set.
        state: of the film; it is changed.
    """
    if film.get("ModalityLUTSequence"):
        state.ModalityLUTSequence = [_lut(film, film.ModalityLUTSequence[0])]
    elif film.get("RescaleSlope") and film.get("RescaleIntercept") is not None:
        state.RescaleSlope, state.RescaleIntercept = film.RescaleSlope, film.RescaleIntercept
        state.RescaleType = film.get("RescaleType") or "US"
    item = Dataset()
    voi = find_voi(film, can_be_negative=False)
    if voi.lut is not None:
        item.VOILUTSequence = [_lut(film, film.VOILUTSequence[voi.number])]
    elif voi.window is not None:
        item.WindowCenter, item.WindowWidth = (
            values_of(film, key)[voi.number] for key in ("WindowCenter", "WindowWidth")
        )
        if voi.window.function != "LINEAR":
            item.VOILUTFunction = voi.window.function
    if len(item):
        state.SoftcopyVOILUTSequence = [item]
    inverse = text_of(film, "PhotometricInterpretation") == "MONOCHROME1" or (
        text_of(film, "PresentationLUTShape") == "INVERSE"
    )
    state.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"


def _lut(film: Dataset, item: Dataset) -> Dataset:
    lut = deepcopy(item)
    _, little = film.original_encoding
    if not little and isinstance(lut.LUTData, bytes):
        # words of a big endian file, which pydicom leaves as they are, go into a little endian one
        lut["LUTData"].value = np.frombuffer(lut.LUTData, ">u2").astype("<u2").tobytes()
    entries, _, bits = (int(value) for value in lut.LUTDescriptor)
    words = lut.LUTData
    if bits == 8 and not isinstance(words, bytes) and len(words) == (entries or 2**16):
        # one entry a word, as some write it; two are meant to share one (PS3.3, C.11.1.1.1)
        packed = np.asarray(words, dtype=np.uint8).tobytes()
        lut.add_new("LUTData", "OW", packed + b"\0" * (len(packed) % 2))
    return lut
