"""The bundle's own inference as one operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow
from monai.deploy.core import Fragment, Operator, OperatorSpec
from series_selection import CheckSelected

from monai_tbkd.bundle import bundle_files, literal

# what the app decides; everything else is the bundle's, or of the configs in the model's folder
_OVERRIDES: dict[str, Any] = {"dicom_output": True, "num_workers": 0, "progress_bar": False, "resume": False}


class BundleInferenceOperator(Operator):
    """Score the films of the selected series as ``inference.yaml`` has it, and write what it writes.

    Reader, gate, preprocessing, network, thresholds and writers are those of the config, so that a film gets the score
    and the refusal here that it gets from ``python -m monai.bundle run``.

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
        """Run the inference on what was selected."""
        selected = [
            instance.get_native_sop_instance().filename
            for study in op_input.receive("study_selected_series_list")
            for chosen in study.selected_series
            for instance in chosen.series.get_sop_instances()
        ]
        self.failed = run_inference(self.input_folder, self.output_folder, self.model_folder, selected)


def run_inference(input_folder: Path, output_folder: Path, model_folder: Path, selected: list[str]) -> int:
    """Run the bundle's inference on all films of a folder, of which only the selected are scored.

    Args:
        input_folder: the films, nested or not.
        output_folder: gets the results.
        model_folder: the model and what is laid over the config; empty or absent, the released model is taken.
        selected: files.

    Returns:
        How many films could not be processed.
    """
    own = {"ckpt_dir": literal(str(model_folder))} if model_folder.is_dir() and any(model_folder.iterdir()) else {}
    configs = [bundle_files() / "configs" / "inference.yaml", *sorted(model_folder.glob("*.yaml"))]
    workflow = ConfigWorkflow(
        [str(config) for config in configs],
        workflow_type="infer",
        logging_file=False,
        dataset_dir=literal(str(input_folder)),
        output_dir=literal(str(output_folder)),
        bundle_root=literal(str(bundle_files())),
        **own,
        **_OVERRIDES,
    )
    workflow.parser["selection"] = CheckSelected(selected)
    workflow.parser["dataset::transform"] = "$monai.transforms.Compose([@preprocessing, @selection])"
    workflow.initialize()
    workflow.run()
    return int(workflow.parser.get_parsed_content("predictions").failed)
