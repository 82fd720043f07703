"""Metadata and documents of a bundle that holds a certain model."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from monai_tbkd.packaging.model_facts import ModelFacts
from monai_tbkd.packaging.vendored_code import normal_name
from monai_tbkd.transforms.notice import NOTICE

PHANTOM_NAME = "PHANTOM IMAGES ONLY, knows no real image"
_PHANTOM_WARNING = (
    "**These weights were trained on phantom images alone: synthetic images drawn by a program. They know no real "
    "image,\nand what they put out for one means nothing.** They are here so that the software can be tried."
)
_OF_MONAI = ("pytorch-ignite", "fire", "PyYAML", "tqdm")  # its engines, its command line, its configs, a progress bar
_REQUIRED = "The configs use the Python package `monai_tbkd`, which has to be installed."
_VENDORED = """The folder `monai_tbkd` holds the code that the configs use; nothing of this project has to be installed.
What MONAI does not bring is named in `configs/metadata.json` under `required_packages_version`."""
_TRAIN_ELSEWHERE = """

This folder holds inference alone. Training, evaluation and further outputs (DICOM objects, pages, ONNX, OpenVINO) are
in the package `monai_tbkd`, whose own `inference.yaml` takes this folder's model with `--ckpt_dir models`."""
_INFERENCE = """A row for each image of a folder (PNG, JPEG, TIFF, BMP, DICOM, NIfTI) in `predictions.csv` and
`predictions.json`, and an overlay each:

```
python -m monai.bundle run --config_file configs/inference.json --dataset_dir <folder> --output_dir <folder>
```"""
_TERMS = """What follows are the terms of data that the bundle can be trained on, as we found them stated; it
is no legal advice. Read the terms at the source before you use or pass on the data, or weights trained
on them."""
_MEASURES = """Union-mask mIoU is the mean over TB images of the IoU of the thresholded map with the union of the true
boxes. The pointing game is the fraction of TB images whose map is strongest inside a true box. AUC is of TB against all
other images."""
_CLASSES = {
    1: ("tuberculosis",),
    2: ("no tuberculosis", "tuberculosis"),
    3: ("healthy", "sick, not tuberculosis", "tuberculosis"),
}


def model_metadata(
    metadata: Mapping[str, Any],
    facts: ModelFacts,
    config: Mapping[str, Any],
    packages: Mapping[str, str],
    full: bool = True,
) -> dict[str, Any]:
    """Return the metadata of the bundle with this model.

    Args:
        metadata: of the bundle without a model.
        facts: of the model.
        config: of inference, as packaged.
        packages: further required packages with versions; those that are named already keep theirs.
        full: all configs come along, and not inference alone.
    """
    out = copy.deepcopy(dict(metadata))
    required = out["required_packages_version"]
    known = set(map(normal_name, required))
    required |= {name: number for name, number in packages.items() if normal_name(name) not in known}
    if not full:
        kept = set(map(normal_name, (*packages, *_OF_MONAI)))
        required = {name: number for name, number in required.items() if normal_name(name) in kept}
        out["data_type"] = out["data_type"].replace(", MetaImage, NRRD", "")
    out["required_packages_version"] = required
    out["data_source"] = f"Trained on {facts.trained_on}"
    out["eval_metrics"] = facts.numbers()
    if facts.phantom:
        out["name"] = f"{out['name']} ({PHANTOM_NAME})"
        out["description"] = f"{PHANTOM_NAME}. {out['description']}"
        out["intended_use"] = f"{out['intended_use']}. {PHANTOM_NAME}: for trying the software alone"
    classes = _CLASSES[int(config["num_classes"])]
    out["network_data_format"]["outputs"]["pred"] |= {
        "num_channels": len(classes),
        "channel_def": {str(number): name for number, name in enumerate(classes)},
        "spatial_shape": [f"{32 // int(config['output_stride'])}*n"] * 2,
    }
    return out


def model_readme(text: str, facts: ModelFacts, config: Mapping[str, Any], vendored: bool, full: bool = True) -> str:
    """Return the bundle's README for this model: its numbers in place of the defaults', and JSON in place of YAML.

    Args:
        text: the README of the bundle without a model.
        facts: of the model.
        config: of training, as packaged, over that of preprocessing.
        vendored: the code comes along.
        full: all configs come along, and not inference alone.

    Raises:
        ValueError: the README lacks a section that is filled in.
    """
    text = re.sub(r"configs/(\w+)\.yaml", r"configs/\1.json", text)
    if not full:
        text = text.replace(", MetaImage, NRRD", "")
    parts = re.findall(r"^(#+ .*?)\n(.*?)(?=^#+ |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    sections = {heading: body.strip() for heading, body in parts}
    size, stride = int(config["image_size"]), int(config["output_stride"])

    def change(heading: str, pattern: str, new: str) -> None:
        sections[heading] = re.sub(pattern, lambda _: new, sections[heading], flags=re.DOTALL)

    try:
        change("# Model Overview", r"The configs use the Python package `monai_tbkd`.*?(?=\n\n|\Z)",
               _VENDORED if vendored else _REQUIRED)  # fmt: skip
        change("# Model Overview", r"The network is a .*?(?=, and its one output)", _network(config))
        if facts.phantom:
            sections["# Model Overview"] = f"{_PHANTOM_WARNING}\n\n{sections['# Model Overview']}"
        change("## Data", r"(?<=The bundle contains no image\. )The terms",
               "The terms of what the weights were trained on, and those")  # fmt: skip
        sections["## Data"] = f"The weights in `models/` were trained on {facts.trained_on}.\n\n{sections['## Data']}"
        change(
            "### Output",
            r"`pred`: .*?puts it there\.",
            f"`pred`: {len(_CLASSES[int(config['num_classes'])])} channel(s), the activation map in logits, one cell "
            f"per {stride} x {stride} pixels of the input\n({-(-size // stride)} x {-(-size // stride)} cells for "
            f"{size} x {size}). Cell i is centered on pixel {stride} i; the post-processing puts it there.",
        )
    except KeyError as error:
        raise ValueError(f"The bundle's README has no section {error}.") from error
    sections |= {
        "### Preprocessing": _preprocessing(config),
        "## Training configuration": _training(facts, config) + ("" if full else _TRAIN_ELSEWHERE),
        "### Input": "One image: 3 channels (gray, repeated), float32, sides a multiple of 32 pixels; "
        f"{size} x {size} as these weights were trained.",
        "## Performance": _performance(facts),
        "#### Training Loss and Validation": "A training writes its curves for TensorBoard: `train/loss/*`, "
        "`val/auc`, `val/union_mask_miou`, `val/pointing_game` and the pictures `val/overlays`.",
    }
    if not full:
        sections["#### Execute inference"] = _INFERENCE
        for what in ("training", "multi-GPU training", "evaluation"):
            sections.pop(f"#### Execute {what}", None)
    whole = "\n".join(f"{heading}\n\n{body}".rstrip() + "\n" for heading, body in sections.items())
    return re.sub(r"\[1,3,\d+,\d+\]", f"[1,3,{size},{size}]", whole)


def model_terms(text: str, facts: ModelFacts, terms: str | None) -> str:
    """Return ``data_license.txt`` of a bundle that holds weights; `terms` is None for phantom images."""
    own = (
        "The bundle contains no image and no annotation. It holds weights (models/, SHA-256 of model.pt\n"
        f"{facts.sha256})\nthat were trained on:\n\n  {facts.trained_on}\n\nTerms of what the weights were trained on:"
        f"\n\n{terms.strip() if terms else 'See the section on phantom images below.'}\n\n{_TERMS}"
    )
    # instead of the paragraph that says that there are no weights
    return re.sub(r"The bundle contains no image.*?weights trained on them\.", lambda _: own, text, count=1,
                  flags=re.DOTALL)  # fmt: skip


def _network(config: Mapping[str, Any]) -> str:
    network = config["network_def"]
    kind, width, last = network["_target_"].split(".")[-1], network.get("width", 1), network.get("last_stage", "layer4")
    backbone = str(network["backbone"]).replace("resnet", "ResNet-") + ("" if width == 1 else f" of {width} its width")
    if kind == "ActivationMapNet":
        cut = "" if last == "layer4" else f", cut off after {last}"
        return f"The network is a {backbone}{cut}, followed by a 1x1 convolution"
    seen = " that compares each position with the other lung's" if network.get("mirror", True) else ""
    return f"The network ({kind}) is a frozen {backbone} and a small head{seen}"


def _preprocessing(config: Mapping[str, Any]) -> str:
    size, crops = int(config["image_size"]), config["lung_crop"]
    image = int(config["whole_image_size"]) if crops else size
    crop = f" The image is then cut to the box of its lungs and brought to {size} x {size}." if crops else ""
    more = "" if config["keep_features"] else ", small rotations,\nzooms and shifts, and changes of gamma"
    return (
        f"Images are read upright in one channel, resized to {image} x {image} (bilinear, anti-aliased) and stretched\n"
        f"between their 0.5 and 99.5 percentiles to 8 bits.{crop} The gray value is repeated to three channels and\n"
        "standardized with ImageNet's mean and deviation. A plain border of a third of a picture or more, as of a\n"
        "screenshot, is cut off before; maps and boxes are those of the whole picture. Training adds horizontal "
        f"flips{more}."
    )


def _training(facts: ModelFacts, config: Mapping[str, Any]) -> str:
    settings = facts.record.get("settings") or facts.record.get("training") or {}
    network = ", ".join(f"{key} {value}" for key, value in (facts.record.get("architecture") or {}).items())
    epochs = " or ".join(re.findall(r"\d+", str(config["max_epochs"])))  # of a teacher, of others
    defaults = (
        "The values of `configs/train.json`, which a training from here on starts from, can all be set on the command "
        f"line:\nlearning rate {config['learning_rate']}, weight decay {config['weight_decay']}, "
        f"{epochs} epochs, batch size {config['batch_size']}. AMP and GPU are used where\nCUDA is "
        "available. Memory need has not been measured."
    )
    how = [f"- {key}: {value}" for key, value in settings.items() if not isinstance(value, dict | list)]
    head = "How these weights were trained, as far as their record (`models/model.json`) says:"
    return "\n".join([head, "", f"- Network: {network or 'unknown'}.", *how, "", defaults])


def _performance(facts: ModelFacts) -> str:
    parts = []
    if facts.phantom:
        parts.append(f"Of **phantom images only** ({NOTICE}); nothing is known of these weights on real images.")
    if facts.metrics is not None:
        split = facts.metrics["splits"]["test"]
        parts.append(
            f"{split['images']} images of the reported split, {split['tb_images_with_boxes']} of them with TB and "
            "boxes; thresholds were chosen on other images.\n95 % bootstrap intervals."
        )
        parts += [facts.table(), _MEASURES]
    if facts.performance:
        parts.append(facts.performance)
    if facts.metrics is None and not facts.performance:
        parts.append("No measurement was handed over with these weights, so there is no number to give.")
    return "\n\n".join(parts)
