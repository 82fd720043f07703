"""What MONAI and the Model Zoo expect of the bundle's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from monai.bundle import ConfigWorkflow, verify_metadata, verify_net_in_out

from monai_tbkd import __version__
from monai_tbkd.packaging.plain_errors import plain_cause
from tests.conftest import REPOSITORY, SMALL, open_bundle

CONFIGS = REPOSITORY / "bundle" / "configs"
METADATA = json.loads((CONFIGS / "metadata.json").read_text())


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())


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
        pytest.skip("the published schema is not beside the real films")
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


def test_preprocessing_of_inference_is_the_training_one() -> None:
    train, inference = load("train"), load("inference")
    gate = "monai_tbkd.transforms.CheckFrontald"  # changes no pixel

    def on_the_image(transform: dict[str, Any]) -> bool:
        return transform["_target_"] != gate and "film" not in (transform["keys"], transform.get("names"))

    own = [each for each in inference["preprocessing"]["transforms"] if on_the_image(each)]
    assert own[-1].pop("_disabled_") == "$@backend != 'torch'"  # exported networks normalize by themselves
    assert own == train["train"]["deterministic_transforms"] + train["train"]["normalize"]
    rules = ("voi", "min_age", "secondary_capture", "any_view", "any_body_part")
    for key in (
        *rules,
        "pooling",
        "num_classes",
        "image_size",
        "backbone",
        "width",
        "output_stride",
        "last_stage",
        "grid",
    ):
        assert inference[key] == train[key], key
    evaluate = load("evaluate")
    assert inference["stride_in_1x1"] == train["stride_in_1x1"]
    for key in ("smallest_area", "largest_number", "split_at_middle", "box_growth"):
        assert inference[key] == evaluate[key], key
    own = {k: v for k, v in train["network_def"].items() if k not in ("weights", "frozen_stages", "frozen_statistics")}
    assert inference["network_def"] == own


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
    known = set(load("train")) | set(load("evaluate")) | set(load("inference")) | {"real_data", "imports"}
    assert {k.split("::")[0].lstrip("+") for k in yaml.safe_load(path.read_text())} <= known


def test_licence_and_documents_are_there() -> None:
    bundle = REPOSITORY / "bundle"
    assert (bundle / "LICENSE").read_text() == (REPOSITORY / "LICENSE").read_text()
    for name in ("docs/README.md", "docs/data_license.txt", "configs/logging.conf"):
        assert (bundle / name).stat().st_size > 100


@pytest.mark.bundle
@pytest.mark.parametrize("recipe", sorted(p.stem for p in (REPOSITORY / "configs").glob("*.yaml")))
def test_recipe_runs_with_small_numbers(recipe: str, phantoms: Path, tmp_path: Path) -> None:
    # what makes it small; networks' stages, strides, poolings, classes and terms stay the recipe's
    small = {k: SMALL[k] for k in ("image_size", "backbone", "width", "batch_size", "num_workers", "grid", "device")}
    small |= {
        "stride_in_1x1": False,
        "max_epochs": 1,
        "teacher_epochs": 1,
        "select": 0.34,
        "bootstrap_resamples": 20,
        "overlays": 1,
    }
    small |= {"teacher_backbone": "resnet18", "test": None, "progress_bar": False}
    if recipe == "tbx11k":
        small["image_size"] = 128  # so many cells that components can be fitted
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(tmp_path), "output_dir": str(tmp_path / "out")}
    files = [
        str(CONFIGS / "train.yaml"),
        str(CONFIGS / "evaluate.yaml"),
        str(REPOSITORY / "configs" / f"{recipe}.yaml"),
    ]
    for configs, run_id in ((files[::2], "run"), (files, "run")):
        workflow = ConfigWorkflow(configs, run_id=run_id, logging_file=False, **where, **small)
        workflow.initialize()
        workflow.run()
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["splits"]["test"]["tb_films_with_boxes"] == 5


@pytest.mark.bundle
def test_every_setting_of_the_evaluation_reaches_it(phantoms: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "threshold_mode": "relative", "smallest_area": 0.01, "largest_number": 3, "split_at_middle": True,
        "box_growth": 0.25, "bootstrap_resamples": 17, "seed": 5, "selection": "otsu", "grid": 48,
    }  # fmt: skip
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(tmp_path), "output_dir": str(tmp_path)}
    workflow = open_bundle(["train", "evaluate"], **where, **given)
    found = workflow.parser.get_parsed_content("evaluate::comparison").settings
    names = {"threshold_mode": "mode", "box_growth": "growth"}
    assert found == {names.get(key, key): value for key, value in given.items()}
