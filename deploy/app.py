"""Tuberculosis on chest images as a MONAI Deploy application. Research use only, not for diagnosis."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application
from monai.deploy.operators import DICOMSeriesSelectorOperator
from operators import BundleInferenceOperator, ImageLoaderOperator

# Which series are scored. All that match are, in every study; within them the bundle's reader still refuses what is no
# frontal chest image. See the SDK's DICOMSeriesSelectorOperator for what a rule can say.
RULES = {"selections": [{"name": "radiographs", "conditions": {"Modality": "^(CR|DX)$"}}]}


class ChestImageApp(Application):
    """DICOM images in; a row, a page and DICOM results for each out.

    The folders are the SDK's: ``-i``, ``-o`` and ``-m``, or ``HOLOSCAN_INPUT_PATH``, ``HOLOSCAN_OUTPUT_PATH`` and
    ``HOLOSCAN_MODEL_PATH``.
    """

    def compose(self) -> None:
        """Connect loader, selector and inference."""
        context = Application.init_app_context(self.argv)
        # the SDK's selector writes descriptions of series, which may name a patient, to the root's log
        logging.getLogger().addFilter(lambda record: record.levelno >= logging.WARNING)
        folder = Path(context.input_path)
        # once: without a count the app would begin again and again
        loader = ImageLoaderOperator(self, CountCondition(self, 1), name="loader", input_folder=folder)
        selector = DICOMSeriesSelectorOperator(self, name="selector", rules=json.dumps(RULES), all_matched=True)
        self.inference = BundleInferenceOperator(
            self,
            name="inference",
            input_folder=folder,
            output_folder=Path(context.output_path),
            model_folder=Path(context.model_path),
        )
        self.add_flow(loader, selector, {("dicom_study_list", "dicom_study_list")})
        self.add_flow(selector, self.inference, {("study_selected_series_list", "study_selected_series_list")})
