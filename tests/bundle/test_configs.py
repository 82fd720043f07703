"""What MONAI and the Model Zoo expect of the bundle's files."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser, ConfigWorkflow, verify_metadata, verify_net_in_out

from monai_tbkd import __version__
from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.networks import SymmetricMapNet
from monai_tbkd.transforms import NormalizeImage
from tests.conftest import REPOSITORY, open_bundle

CONFIGS = REPOSITORY / "bundle" / "configs"
METADATA = json.loads((CONFIGS / "metadata.json").read_text())


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())


def load_recipe(name: str) -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "configs" / f"{name}.yaml").read_text())


@pytest.mark.bundle
def test_train_and_inference_have_every_property(phantoms: Path, tmp_path: Path) -> None:
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(tmp_path), "output_dir": str(tmp_path / "out")}
    train = open_bundle(["train"], max_epochs=1, **where)
    train.initialize()
    assert train.check_properties() == []  # before there is a teacher
    evaluate = open_bundle(["train", "evaluate"], **where)
    evaluate.initialize()
    assert evaluate.check_properties() == []
    alone = open_bundle(["train"], stage="student", **where)
    alone.initialize()
    with pytest.raises(Exception) as caught:
        alone.run()
    assert str(plain_cause(caught.value)).startswith(f"There is no finished teacher at {tmp_path}/teacher.pt")
    train.run()
    teacher, student = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("teacher", "model"))
    assert student["settings"]["teacher_sha256"] == teacher["sha256"]
    inference = open_bundle(["inference"], **{**where, "dataset_dir": str(phantoms / "imgs")}, load_pretrain=False)
    inference.initialize()
    assert inference.check_properties() == []


def test_metadata_fits_the_published_schema(real_data: Path) -> None:
    schema = real_data.parent / "zoo" / "meta_schema_20240725.json"
    if not schema.is_file():
        pytest.skip("the published schema is not beside the real images")
    verify_metadata(meta_file=str(CONFIGS / "metadata.json"), filepath=str(schema))


def test_metadata_says_the_same_as_the_package() -> None:
    assert METADATA["version"] == __version__
    assert __version__ in METADATA["changelog"]
    pins = dict(line.split("==") for line in (REPOSITORY / "constraints.txt").read_text().splitlines() if "==" in line)
    assert METADATA["monai_version"] == pins["monai"]
    assert METADATA["pytorch_version"] == pins["torch"]
    assert METADATA["numpy_version"] == pins["numpy"]
    for name, version in METADATA["required_packages_version"].items():
        assert pins[name] == version


@pytest.mark.bundle
def test_network_has_the_promised_input_and_output() -> None:
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(CONFIGS / "metadata.json"),
        config_file=str(CONFIGS / "inference.yaml"),
        device="cpu",
        n=4,
        p=1,
        any=32,
    )


def test_training_is_one_page_of_one_trainer_and_one_evaluator() -> None:
    text = (CONFIGS / "train.yaml").read_text()
    assert len(text.splitlines()) <= 250
    assert "truth(" not in text  # flags have their types from read_settings
    assert text.count("monai_tbkd.engines.DistillationTrainer") == text.count("monai.engines.SupervisedEvaluator") == 1


@pytest.mark.bundle
def test_what_the_network_sees_in_inference_is_what_it_was_trained_on(phantoms: Path) -> None:
    image = {"image": str(phantoms / "imgs" / "tb" / "tb0001.png"), "name": "tb0001.png"}
    seen = []
    for name in ("train", "inference"):
        parser = ConfigParser()
        parser.read_config(str(CONFIGS / f"{name}.yaml"))
        # the gate changes no pixel, and refuses phantoms
        parser.update({"check_frontal": "off", "min_side": 16})
        seen.append(parser.get_parsed_content("preprocessing")(image)["image"].as_tensor())
    assert seen[0].dtype == torch.uint8
    assert seen[1].shape == (3, 384, 384)
    assert torch.equal(NormalizeImage()(seen[0]), seen[1])


def test_defaults_of_inference_are_those_of_training() -> None:
    train, inference, evaluate, shared = (load(name) for name in ("train", "inference", "evaluate", "preprocessing"))
    for key in ("pooling", "num_classes", "image_size", "output_stride", "stride_in_1x1", "grid", "lung_crop"):
        assert inference[key] == train[key], key
    for key in ("smallest_area", "largest_number"):
        assert inference[key] == evaluate[key], key
    for key in (
        "image_size",
        "lung_crop",
        "whole_image_size",
        "voi",
        "min_age",
        "secondary_capture",
        "any_view",
        "any_body_part",
    ):
        assert shared[key] == {**shared, **train}[key] == inference[key], key
    # the head is as the model's record says, and the checkpoint has all weights
    own = {key: value for key, value in train["network_def"].items() if key not in ("convolutions", "mirror")}
    assert inference["network_def"] == {**own, "weights": "@weights"}
    assert train["network_def"]["mirror"] == "$@stage == 'teacher'"
    assert train["network_def"]["convolutions"].endswith("else 2")
    assert inspect.signature(SymmetricMapNet).parameters["convolutions"].default == 2


def numbers_as_text(node: Any, path: str = "") -> list[str]:
    if isinstance(node, dict):
        return [x for k, v in node.items() for x in numbers_as_text(v, f"{path}::{k}")]
    if isinstance(node, list):
        return [x for i, v in enumerate(node) for x in numbers_as_text(v, f"{path}::{i}")]
    try:
        float(node)
    except (TypeError, ValueError):
        return []
    return [path] if isinstance(node, str) else []


@pytest.mark.parametrize("path", sorted([*CONFIGS.glob("*.yaml"), *(REPOSITORY / "configs").glob("*.yaml")]), ids=str)
def test_no_number_loads_as_text_and_no_sigil_hides_in_one(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    assert numbers_as_text(content) == []  # 1e-4 without a dot is text to YAML
    assert "#" not in json.dumps(content)  # MONAI turns every # in a value into ::


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_recipes_turn_only_what_the_bundle_has(path: Path) -> None:
    known = {key for name in ("train", "evaluate", "inference", "preprocessing") for key in load(name)}
    assert {k.split("::")[0].lstrip("+") for k in yaml.safe_load(path.read_text())} <= known


def test_licence_and_documents_are_there() -> None:
    bundle = REPOSITORY / "bundle"
    assert (bundle / "LICENSE").read_text() == (REPOSITORY / "LICENSE").read_text()
    for name in ("docs/README.md", "docs/data_license.txt", "configs/logging.conf"):
        assert (bundle / name).stat().st_size > 100


@pytest.mark.bundle
@pytest.mark.parametrize("recipe", sorted(p.stem for p in (REPOSITORY / "configs").glob("*.yaml")))
def test_recipe_runs_with_small_numbers(recipe: str, phantoms: Path, tmp_path: Path) -> None:
    # what makes it small; networks' kinds, strides, poolings, classes and terms stay the recipe's
    small: dict[str, Any] = {
        "image_size": 128, "min_side": 16, "network_def::backbone": "resnet18", "network_def::width": 0.125,
        "max_epochs": 1, "batch_size": 8, "num_workers": 0, "grid": 64, "select": 0.34, "bootstrap_resamples": 20,
        "overlays": 1, "device": "$torch.device('cpu')", "progress_bar": False,
    }  # fmt: skip
    if "network_def" not in load_recipe(recipe):
        small["weights"] = "random"
    if "network_def::weights" in load_recipe(recipe):
        small["network_def::weights"] = "random"
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(tmp_path), "output_dir": str(tmp_path / "out")}
    files = [
        str(CONFIGS / "train.yaml"),
        str(CONFIGS / "evaluate.yaml"),
        str(REPOSITORY / "configs" / f"{recipe}.yaml"),
    ]
    for configs in (files[::2], files):
        workflow = ConfigWorkflow(configs, logging_file=False, **where, **small)
        workflow.initialize()
        workflow.run()
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["splits"]["test"]["tb_images_with_boxes"] == 5


@pytest.mark.bundle
def test_every_setting_of_the_evaluation_reaches_it(phantoms: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "threshold_mode": "relative", "smallest_area": 0.01, "largest_number": 3,
        "bootstrap_resamples": 17, "seed": 5, "selection": "otsu", "grid": 48,
        "score_selection": "specificity_70",
    }  # fmt: skip
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(tmp_path), "output_dir": str(tmp_path)}
    workflow = open_bundle(["train", "evaluate"], **where, **given)
    found = workflow.parser.get_parsed_content("evaluate::comparison").settings
    given["mode"] = given.pop("threshold_mode")
    assert {key: found[key] for key in given} == given
