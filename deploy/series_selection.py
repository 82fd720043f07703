"""Only images of the selected series are scored; the others are refused, with a reason each."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from monai.transforms import Transform

from monai_tbkd.data.readers.reason_codes import ImageError, ReasonCode


class CheckSelected(Transform):
    """Refuse an image that is in no selected series. It comes after the reader, whose own reason says more.

    Args:
        files: of the selected series.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self.files = {os.path.realpath(file) for file in files}

    def __call__(self, data: Mapping[Hashable, Any]) -> Mapping[Hashable, Any]:
        """The image as it is.

        Raises:
            ImageError: NOT_SELECTED.
        """
        path = str(data["image"].meta["filename_or_obj"])
        if os.path.realpath(path) not in self.files:
            raise ImageError(
                ReasonCode.NOT_SELECTED, path, "in no series that the app's rules select; see RULES in app.py"
            )
        return data
