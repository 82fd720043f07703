"""The operators of the application: studies by their headers, and the bundle's own inference."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow
from monai.deploy.core import Fragment, Operator, OperatorSpec
from monai.deploy.core.domain.dicom_series import DICOMSeries
from monai.deploy.core.domain.dicom_study import DICOMStudy
from monai.deploy.operators import DICOMDataLoaderOperator
from series_selection import CheckSelected

from monai_tbkd.bundle import bundle_files, literal
from monai_tbkd.bundle.config_files import read_config
from monai_tbkd.data.readers.dicom_file import read_dicom_header

logger = logging.getLogger(__name__)

# what the app decides; everything else is the bundle's, or of the configs in the model's folder
_OVERRIDES: dict[str, Any] = {"num_workers": 0, "progress_bar": False, "resume": False}


class ImageLoaderOperator(DICOMDataLoaderOperator):
    """The SDK's loader for images: no pixels, every instance, and no file that ends the app.

    The SDK's own keeps all pixels in memory, ends at a file that it cannot read, and leaves out instances of the same
    place in space. Here a file that is no DICOM object, or names no study and series, is in no study; what became of it
    is said by who has the list of files.

    Named output:
        dicom_study_list: the studies, with a header for each instance.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, must_load=False, **kwargs)  # a folder without any has its refusals to be told

    def _load_data(self, files: list[str]) -> list[DICOMStudy]:
        studies: dict[str, DICOMStudy] = {}
        series: dict[tuple[str, str], DICOMSeries] = {}
        for file in sorted(files):
            try:
                header = read_dicom_header(Path(file))
                uids = str(header.StudyInstanceUID), str(header.SeriesInstanceUID)
                if uids[0] not in studies:
                    study = DICOMStudy(uids[0])
                    self.populate_study_attributes(study, header)
                    studies[uids[0]] = study
                if uids not in series:
                    found = DICOMSeries(uids[1])
                    self.populate_series_attributes(found, header)
                    series[uids] = found
                    studies[uids[0]].add_series(found)
            except Exception as error:  # pydicom raises all sorts on damaged elements; the values may be a patient's
                logger.warning("%s is in no study: %s while its header was read", file, type(error).__name__)
                continue
            header.filename = file
            series[uids].add_sop_instance(header)
        return list(studies.values())


class BundleInferenceOperator(Operator):
    """Score the images of the selected series as ``inference.yaml`` has it, and write what it writes.

    Reader, gate, preprocessing, network, thresholds and writers are those of the config, so that an image gets the
    score and the refusal here that it gets from ``python -m monai.bundle run``.

    Args:
        fragment: the app.
        input_folder: all that was sent.
        output_folder: gets ``predictions.csv``, ``.json`` and ``.html``, pages, overlays and ``dicom/``.
        model_folder: ``model.pt`` with its record and ``operating_point.json``; where the folder is empty or absent the
            released model is taken. Its ``*.yaml`` are laid over ``inference.yaml`` in the order of their names.

    Named input:
        study_selected_series_list: of the SDK's series selector.
    """

    def __init__(
        self, fragment: Fragment, *args: Any, input_folder: Path, output_folder: Path, model_folder: Path, **kwargs: Any
    ) -> None:
        self.input_folder, self.output_folder = Path(input_folder), Path(output_folder)
        self.model_folder = Path(model_folder)
        self.failed = 0
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Name the input."""
        spec.input("study_selected_series_list")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Run the inference on all images of the folder, of which only the selected are scored."""
        selected = [
            instance.get_native_sop_instance().filename
            for study in op_input.receive("study_selected_series_list")
            for series in study.selected_series
            for instance in series.series.get_sop_instances()
        ]
        model = self.model_folder
        own = {"ckpt_dir": literal(str(model))} if model.is_dir() and any(model.iterdir()) else {}
        configs = [bundle_files() / "configs" / "inference.yaml", *sorted(model.glob("*.yaml"))]
        chosen = any("dicom_output" in read_config(config) for config in configs[1:])
        workflow = ConfigWorkflow(
            [str(config) for config in configs],
            workflow_type="infer",
            logging_file=False,
            dataset_dir=literal(str(self.input_folder)),
            output_dir=literal(str(self.output_folder)),
            bundle_root=literal(str(bundle_files())),
            **own,
            **({} if chosen else {"dicom_output": True}),
            **_OVERRIDES,
        )
        workflow.parser["selection"] = CheckSelected(selected)
        workflow.parser["dataset::transform"] = "$monai.transforms.Compose([@preprocessing, @selection])"
        workflow.initialize()
        workflow.run()
        self.failed = int(workflow.parser.get_parsed_content("predictions").failed)
