"""The Model Zoo's folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser, load, verify_metadata

from monai_tbkd import __version__
from monai_tbkd.__main__ import main
from monai_tbkd.bundle import locations
from monai_tbkd.bundle.config_files import read_config
from monai_tbkd.networks import SymmetricMapNet
from monai_tbkd.networks.checkpoint import model_version, write_checkpoint
from monai_tbkd.packaging.bundle_package import write_package
from monai_tbkd.packaging.file_hashes import differences
from monai_tbkd.packaging.model_facts import read_facts
from monai_tbkd.packaging.packaged_configs import as_json
from tests.conftest import REPOSITORY, SMALL_RECIPE
from tests.packaging.conftest import NAME, SMALLER


def config(folder: Path, name: str) -> dict:
    return json.loads((folder / "configs" / f"{name}.json").read_text())


def test_every_config_is_there_as_json_with_its_models_values(packaged: Path) -> None:
    names = {p.stem for p in (REPOSITORY / "bundle" / "configs").glob("*.yaml")} | {"metadata"}
    assert {p.stem for p in (packaged / "configs").glob("*.json")} == names
    for name in ("train", "inference"):
        content = config(packaged, name)
        network = content["network_def"]
        assert network["_target_"] == "monai_tbkd.networks.ActivationMapNet"
        assert (network["backbone"], network["width"], network["last_stage"]) == ("resnet18", 0.125, "layer2")
        found = "$monai_tbkd.networks.initial_weights(@weights, @network_def::backbone)"
        assert network["output_stride"] == "@output_stride"
        assert network["weights"] == (found if name == "train" else "@weights")
        assert (content["image_size"], content["output_stride"], content["grid"]) == (64, 8, 64)
        assert content["lung_crop"] is False
        assert not list((packaged / "configs").glob("*.yaml"))
    assert config(packaged, "preprocessing")["min_side"] == 16
    assert config(packaged, "train")["target"] is None
    assert set(config(packaged, "train")["student_terms"]) == {"label", "logits", "map"}
    assert config(packaged, "evaluate")["bootstrap_resamples"] == 50
    assert "bootstrap_resamples" not in config(packaged, "train")


def test_the_same_bytes_again(packaged: Path, trained: Path, tmp_path: Path) -> None:
    facts = read_facts(trained / "models" / "model.pt", metrics=trained / "out" / "metrics.json")
    again = write_package(tmp_path / NAME, facts, [SMALLER], torchscript=False, full=True)
    files = [p for p in packaged.rglob("*") if p.is_file() and p.suffix not in (".ts", ".pyc")]
    assert len(files) > 100
    for path in files:
        assert path.read_bytes() == (again / path.relative_to(packaged)).read_bytes(), path
    assert as_json(read_config(packaged / "configs" / "train.json")) == (packaged / "configs/train.json").read_text()


def test_metadata_and_documents_say_what_it_is(packaged: Path, trained: Path) -> None:
    metadata = config(packaged, "metadata")
    assert metadata["version"] == __version__
    assert "PHANTOM IMAGES ONLY" in metadata["name"]
    assert "knows no real image" in metadata["intended_use"]
    assert "phantom images" in metadata["data_source"]
    measured = json.loads((trained / "out" / "metrics.json").read_text())["predictors"]["student"]
    assert metadata["eval_metrics"]["union_mask_miou"]["value"] == round(measured["union_mask_miou"]["value"], 4)
    assert metadata["network_data_format"]["outputs"]["pred"]["spatial_shape"] == ["4*n", "4*n"]
    assert "itk" in metadata["required_packages_version"]
    readme = (packaged / "docs" / "README.md").read_text()
    assert "know no real image" in readme
    assert f"| student | {measured['union_mask_miou']['value']:.3f} [" in readme
    assert "64 x 64 as these weights were trained" in readme
    assert "ResNet-18 of 0.125 its width, cut off after layer2" in readme
    assert ".yaml" not in readme
    assert "has to be installed" not in readme.replace("nothing of this project has to be installed", "")
    terms = (packaged / "docs" / "data_license.txt").read_text()
    assert "that were trained on" in terms
    assert "no weights" not in terms
    assert hashlib.sha256((packaged / "models" / "model.pt").read_bytes()).hexdigest() in terms
    assert model_version(packaged / "models" / "model.pt").endswith("phantom images only")


def test_metadata_fits_the_published_schema(packaged: Path, real_data: Path) -> None:
    schema = real_data.parent / "zoo" / "meta_schema_20240725.json"
    if not schema.is_file():
        pytest.skip("the published schema is not beside the real images")
    verify_metadata(meta_file=str(packaged / "configs" / "metadata.json"), filepath=str(schema))


def test_no_path_of_this_machine_is_in_it(packaged: Path, trained: Path) -> None:
    for path in packaged.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            content = path.read_bytes()
            for word in (str(trained), str(REPOSITORY), str(Path.home()) + "/"):
                assert word.encode() not in content, (path, word)


def test_monai_loads_it_and_the_torchscript_is_its_equal(packaged: Path) -> None:
    network = load(NAME, bundle_dir=str(packaged.parent), workflow_type="train", device="cpu").eval()
    script = torch.jit.load(str(packaged / "models" / "model.ts")).eval()
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(image), script(image))
    script, metadata, _ = load(NAME, bundle_dir=str(packaged.parent), load_ts_module=True, device="cpu")
    assert "PHANTOM" in str(metadata["name"])


def test_as_a_requirement_no_code_comes_along(trained: Path, tmp_path: Path) -> None:
    facts = read_facts(trained / "models" / "model.pt")
    folder = write_package(tmp_path / NAME, facts, [SMALLER], as_requirement=True, torchscript=False)
    assert not (folder / "monai_tbkd").exists()
    assert config(folder, "metadata")["required_packages_version"]["monai_tbkd"] == __version__
    assert config(folder, "train")["initialize"]  # as in the YAML
    assert "has to be installed" in (folder / "docs" / "README.md").read_text()


def test_a_model_of_real_images_needs_words_and_terms(trained: Path, tmp_path: Path) -> None:
    model = tmp_path / "models" / "model.pt"
    model.parent.mkdir()
    shutil.copy(trained / "models" / "model.pt", model)
    with pytest.raises(ValueError, match="does not say what images"):
        read_facts(model)
    facts = read_facts(model, trained_on="87 images of a hospital")
    with pytest.raises(ValueError, match="--terms"):
        write_package(tmp_path / NAME, facts)
    folder = write_package(tmp_path / NAME, facts, [read_config(SMALL_RECIPE)], terms="Ask the hospital.")
    assert "PHANTOM" not in (folder / "configs" / "metadata.json").read_text()
    assert "Ask the hospital." in (folder / "docs" / "data_license.txt").read_text()
    assert "phantom" not in model_version(folder / "models" / "model.pt")


def test_large_files_are_listed_with_their_hashes(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("monai_tbkd.packaging.bundle_package.LARGEST_MEGABYTES", 0.03)
    facts = read_facts(trained / "models" / "model.pt")
    write_package(tmp_path / "without", facts, [SMALLER], torchscript=False)
    assert not (tmp_path / "without" / "large_files.yml").exists()
    assert "models/model.pt" in caplog.text
    folder = write_package(tmp_path / NAME, facts, [SMALLER], torchscript=False, url="https://example.org/v1/")
    entries = yaml.safe_load((folder / "large_files.yml").read_text())["large_files"]
    url = "https://example.org/v1/model.pt"
    assert {"path": "models/model.pt", "url": url, "hash_val": facts.sha256, "hash_type": "sha256"} in entries


def test_what_does_not_fit_is_refused_and_leaves_nothing(trained: Path, tmp_path: Path) -> None:
    facts = read_facts(trained / "models" / "model.pt")
    with pytest.raises(ValueError, match="another architecture"):
        write_package(tmp_path / NAME, facts, [{"network_def::width": 0.25}])
    with pytest.raises(ValueError, match="other settings"):
        write_package(tmp_path / NAME, facts, [{"image_size": 128}])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="another model"):
        read_facts(trained / "models" / "teacher.pt", phantom=True, metrics=trained / "out" / "metrics.json")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    with pytest.raises(FileExistsError):
        write_package(tmp_path / "full", facts)


def test_command(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["package", "--output", str(tmp_path / NAME), "--checkpoint", str(trained / "models" / "model.pt")]
    command += ["--set", "grid=64", "--set", "min_side=16", "--no_torchscript", "--hashes", str(tmp_path / "hashes")]
    assert main(command) == 0
    assert "phantom images" in capsys.readouterr().out
    assert differences(tmp_path / NAME, tmp_path / "hashes") == []
    parser = ConfigParser()
    parser.read_config(str(tmp_path / NAME / "configs" / "inference.json"))
    assert parser["grid"] == 64
    assert main([*command[:2], str(tmp_path / "b"), *command[3:5], "--recipe", "none"]) == 2
    assert "expected one of demo" in capsys.readouterr().err


@pytest.mark.bundle
def test_a_model_of_the_default_kind(tmp_path: Path) -> None:
    """A symmetric network on images that are cut to the lungs, found by a plain finder."""
    network = SymmetricMapNet("resnet18", components=8, width=0.125)
    write_checkpoint(network, tmp_path / "model.pt", {"stage": "student", "training": {"image_size": 64}})
    folder = write_package(
        tmp_path / NAME, read_facts(tmp_path / "model.pt", phantom=True), [{"whole_image_size": 96}], full=True
    )
    inference = config(folder, "inference")
    assert inference["network_def"]["_target_"] == "monai_tbkd.networks.SymmetricMapNet"
    assert (inference["lung_crop"], inference["image_size"]) == (True, 64)
    assert config(folder, "preprocessing")["whole_image_size"] == 96
    assert (inference["network_def"]["components"], inference["network_def"]["convolutions"]) == (8, 2)
    # a teacher that is trained from here on has none
    assert config(folder, "train")["network_def"]["convolutions"] == "$0 if @stage == 'teacher' else 2"
    readme = (folder / "docs" / "README.md").read_text()
    assert "cut to the box of its lungs" in readme
    assert "SymmetricMapNet" in readme
    script = torch.jit.load(str(folder / "models" / "model.ts"))
    assert script(torch.rand(1, 3, 64, 64)).shape == (1, 1, 4, 4)


@pytest.mark.bundle
@pytest.mark.parametrize("scripted", [True, False])
def test_a_network_that_cannot_be_scripted_is_traced(
    scripted: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no such operation")

    if not scripted:
        monkeypatch.setattr(torch.jit, "script", refuse)
    network = SymmetricMapNet("efficientnet_lite0", components=8).eval()
    write_checkpoint(network, tmp_path / "model.pt", {"stage": "student", "training": {"image_size": 64}})
    folder = write_package(tmp_path / NAME, read_facts(tmp_path / "model.pt", phantom=True), [{"whole_image_size": 96}])
    assert ("can't be scripted (no such operation)" in caplog.text) == (not scripted)
    side = 80 if scripted else 64  # a traced one is for images of one size
    image = torch.rand(2, 3, side, side)
    with torch.no_grad():
        assert torch.allclose(torch.jit.load(str(folder / "models" / "model.ts"))(image), network(image), atol=1e-5)


def test_the_released_model_needs_no_words(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = Path(shutil.copytree(trained / "models", tmp_path / "models"))
    (models / "LICENSE").write_text("For research.")
    (models / "model_card.md").write_text("| Name | a |\n| Trained on | 87 images of a hospital |\n")
    monkeypatch.setattr(locations, "released_folder", lambda: models)
    turned = ["--set", "grid=64", "--set", "min_side=16", "--no_torchscript"]
    assert main(["package", "--output", str(tmp_path / NAME), *turned]) == 0
    assert config(tmp_path / NAME, "metadata")["data_source"] == "Trained on 87 images of a hospital"
    assert "For research." in (tmp_path / NAME / "docs" / "data_license.txt").read_text()


def test_license_and_terms_are_in_the_folder(packaged: Path) -> None:
    there = {each.name for each in packaged.iterdir()}
    assert there == {"LICENSE", "configs", "docs", "models", "monai_tbkd"}
    assert {each.name for each in (packaged / "docs").iterdir()} == {"README.md", "data_license.txt"}


@pytest.mark.bundle
@pytest.mark.parametrize("own", [True, False])
def test_thresholds_come_along_if_they_are_this_model_s(trained: Path, tmp_path: Path, own: bool) -> None:
    models = Path(shutil.copytree(trained / "models", tmp_path / "models"))
    point = json.loads((models / "operating_point.json").read_text())
    if not own:
        (models / "operating_point.json").write_text(json.dumps({**point, "model_sha256": "0" * 64}))
    folder = write_package(tmp_path / NAME, read_facts(models / "model.pt"), [SMALLER], torchscript=False)
    assert (folder / "models" / "operating_point.json").is_file() is own
