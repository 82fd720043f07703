"""Make the folder that would be submitted to the Model Zoo, from the bundle's sources and a checkpoint."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from monai.bundle import ConfigParser, ckpt_export

from monai_tbkd import __version__
from monai_tbkd.bundle import bundle_files
from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.engines import file_sha256, load_trained
from monai_tbkd.packaging.model_documents import model_metadata, model_readme, model_terms
from monai_tbkd.packaging.model_facts import ModelFacts
from monai_tbkd.packaging.packaged_configs import LEFT_OUT, as_json, packaged_configs
from monai_tbkd.packaging.vendored_code import PACKAGE, copy_code, needed_distributions
from monai_tbkd.packaging.zoo_rules import LARGEST_MEGABYTES

logger = logging.getLogger(__name__)

LUNG_WEIGHTS = "models/lung_field.pt"


def write_package(
    output: str | Path,
    facts: ModelFacts,
    layers: Sequence[Mapping[str, Any]] = (),
    terms: str | None = None,
    url: str | None = None,
    as_requirement: bool = False,
    torchscript: bool = True,
    lung_weights: str | Path | None = None,
    full: bool = False,
) -> Path:
    """Write the folder, whole or not at all.

    It holds inference alone: images in, ``predictions.csv``, ``predictions.json`` and overlays out. Configs become JSON
    with the recipe and the values that the checkpoint's record knows laid into them.

    Args:
        output: the folder; absent or empty.
        facts: of the checkpoint.
        layers: recipes, then single values, each by ids as MONAI writes them.
        terms: of the images that the model was trained on; needed for other than phantom images.
        url: where the files of ``models/`` will be fetched from; those that are too large for the zoo are then listed
            in ``large_files.yml``.
        as_requirement: name this package as a requirement instead of copying its code. Implies `full`.
        torchscript: write ``models/model.ts`` too.
        lung_weights: a lung-field network (TorchScript) that the lungs are found with; copied along.
        full: all configs, with all that inference can put out, and their code.

    Returns:
        The folder.

    Raises:
        FileExistsError: the folder holds something.
        ValueError: the checkpoint does not fit the configs, terms are missing, or versions disagree.
    """
    target, full = Path(output), full or as_requirement
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"{target} is there already and holds something; give a new folder, or remove it.")
    if not facts.phantom and not terms:
        raise ValueError(
            f"The terms of what {facts.checkpoint} was trained on have to be in the folder; give them by --terms FILE."
        )
    source = bundle_files()
    if lung_weights is not None:
        layers = [*layers, {"lung_weights": f"$@bundle_root + '/{LUNG_WEIGHTS}'"}]
    configs = packaged_configs(source / "configs", facts.record, layers, as_requirement, full)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}.unfinished.", dir=target.parent))
    try:
        for name in ("configs", "docs", "models"):
            (unfinished / name).mkdir()
        _write_texts(unfinished, source, configs, facts, terms, as_requirement, full)
        if lung_weights is not None:
            shutil.copyfile(lung_weights, unfinished / LUNG_WEIGHTS)
        _write_model(unfinished, facts, torchscript)
        _list_large_files(unfinished, url)
        unfinished.chmod(0o755)
        if target.exists():
            target.rmdir()
        os.replace(unfinished, target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return target


def _write_texts(
    root: Path,
    source: Path,
    configs: Mapping[str, dict[str, Any]],
    facts: ModelFacts,
    terms: str | None,
    as_requirement: bool,
    full: bool,
) -> None:
    """Write configs, metadata, documents, and the code that the configs need."""
    texts = {f"configs/{name}.json": as_json(each) for name, each in configs.items() if full or name == "inference"}
    without = () if full else LEFT_OUT
    if as_requirement:
        packages = {PACKAGE: __version__}
    else:
        packages = needed_distributions(texts.values(), without)
        copy_code(texts.values(), root / PACKAGE, without)
    metadata = json.loads((source / "configs" / "metadata.json").read_text(encoding="utf-8"))
    if metadata["version"] != __version__ or __version__ not in metadata["changelog"]:
        raise ValueError(
            f"The package is version {__version__} and the bundle's metadata says {metadata['version']} with a "
            f"changelog for {', '.join(metadata['changelog'])}; put them in step."
        )
    texts["configs/metadata.json"] = as_json(model_metadata(metadata, facts, configs["inference"], packages, full))
    readme, licenses = "docs/README.md", "docs/data_license.txt"
    shown = {**configs["preprocessing"], **configs["train"]}
    texts[readme] = model_readme((source / readme).read_text(encoding="utf-8"), facts, shown, not as_requirement, full)
    texts[licenses] = model_terms((source / licenses).read_text(encoding="utf-8"), facts, terms)
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")
    for name in ("configs/logging.conf", "LICENSE"):
        shutil.copyfile(source / name, root / name)


def _write_model(root: Path, facts: ModelFacts, torchscript: bool) -> None:
    config = root / "configs" / "inference.json"
    model = root / "models" / "model.pt"
    shutil.copyfile(facts.checkpoint, model)
    record = dict(facts.record)
    if record or facts.phantom:
        if facts.phantom and not record.get("images"):
            images = int((record.get("settings") or {}).get("train_images") or 1)
            record["images"] = {"phantom": images, "other": 0}
        record |= {"finished": True, "sha256": facts.sha256, "trained_on": facts.trained_on}
        model.with_suffix(".json").write_text(as_json(record), encoding="utf-8")
    point = facts.checkpoint.with_name("operating_point.json")
    if point.is_file() and json.loads(read_text(point)).get("model_sha256") == facts.sha256:
        shutil.copyfile(point, model.with_name(point.name))
    else:
        logger.warning("%s has no thresholds of this model beside it: inference will use 0.5.", facts.checkpoint)

    parser = ConfigParser()
    parser.read_config(str(config))
    network, pooling = parser.get_parsed_content("network_def"), parser.get_parsed_content("pooling")
    size = int(parser["image_size"])
    own = root / LUNG_WEIGHTS
    lungs = own if own.is_file() else parser.get_parsed_content("lung_weights")
    preprocessing = {key: parser.get_parsed_content(key) for key in ("lung_crop", "whole_image_size")}
    # refuses configs that are not this model's
    load_trained(network, model, pooling, size, {**preprocessing, "lung_weights": lungs})
    stored = torch.load(model, map_location="cpu", weights_only=True)
    if any(key in stored for key in ("model", "state_dict")):
        raise ValueError(f"{facts.checkpoint} is a checkpoint with more in it than a state dict; give the state dict.")
    if torchscript:
        given = {
            "filepath": str(model.with_suffix(".ts")),
            "ckpt_file": str(model),
            "meta_file": str(root / "configs" / "metadata.json"),
            "config_file": str(config),
            "input_shape": [1, 3, size, size],
        }
        try:
            ckpt_export("network_def", **given)
        except Exception as error:  # torch.jit.script raises many kinds
            logger.warning("%s can't be scripted (%s): model.ts is traced, for images of %d x %d alone.",
                           type(network).__name__, str(error).strip().partition("\n")[0], size, size)  # fmt: skip
            ckpt_export("network_def", **given, use_trace=True)


def _list_large_files(root: Path, url: str | None) -> None:
    large = [p for p in sorted(root.rglob("*")) if p.is_file() and p.stat().st_size > LARGEST_MEGABYTES * 1024**2]
    if large and url is None:
        logger.warning(
            "%s: larger than the zoo takes (%d MB); give --url with the address that it can be fetched from.",
            ", ".join(p.relative_to(root).as_posix() for p in large), LARGEST_MEGABYTES,
        )  # fmt: skip
    elif large and url is not None:
        entries = [
            {
                "path": p.relative_to(root).as_posix(),
                "url": f"{url.rstrip('/')}/{p.name}",
                "hash_val": file_sha256(p),
                "hash_type": "sha256",
            }
            for p in large
        ]
        text = yaml.safe_dump({"large_files": entries}, sort_keys=False)
        (root / "large_files.yml").write_text(text, encoding="utf-8")
