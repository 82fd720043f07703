"""Metadata and documents of a bundle that holds a certain model."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from monai_tbkd.packaging.model_facts import ModelFacts
from monai_tbkd.transforms.notice import NOTICE

PHANTOM_NAME = "PHANTOM FILMS ONLY, knows no real film"
_PHANTOM_WARNING = (
    "**These weights were trained on phantom films alone: synthetic films drawn by a program. They know no real film,\n"
    "and what they put out for one means nothing.** They are here so that the software can be tried."
)
_OF_MONAI = ("pytorch-ignite", "fire", "PyYAML", "tqdm")  # its engines, its command line, its configs, a progress bar
_TRAIN_ELSEWHERE = """

This folder holds inference alone. Training, evaluation and further outputs (DICOM objects, pages, ONNX, OpenVINO) are
in the package `monai_tbkd`, whose own `inference.yaml` takes this folder's model with `--ckpt_dir models`."""
_INFERENCE = """A row for each image of a folder (PNG, JPEG, TIFF, BMP, DICOM, NIfTI) in `predictions.csv` and
`predictions.json`, and an overlay each:

```
python -m monai.bundle run --config_file configs/inference.json --dataset_dir <folder> --output_dir <folder>
```"""
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
    """Metadata of the bundle with this model.

    Args:
        metadata: of the bundle without a model.
        facts: of the model.
        config: of inference, as packaged.
        packages: further required packages with versions; those that are named already keep theirs.
        full: all configs come along, and not inference alone.
    """
    out = copy.deepcopy(dict(metadata))
    known = {_plain(name) for name in out["required_packages_version"]}
    out["required_packages_version"].update({k: v for k, v in packages.items() if _plain(k) not in known})
    if not full:
        kept = {_plain(name) for name in (*packages, *_OF_MONAI)}
        required = out["required_packages_version"].items()
        out["required_packages_version"] = {name: number for name, number in required if _plain(name) in kept}
        out["data_type"] = out["data_type"].replace(", MetaImage, NRRD", "")
    out["data_source"] = f"Trained on {facts.trained_on}"
    out["eval_metrics"] = facts.numbers()
    if facts.phantom:
        out["name"] = f"{out['name']} ({PHANTOM_NAME})"
        out["description"] = f"{PHANTOM_NAME}. {out['description']}"
        out["intended_use"] = f"{out['intended_use']}. {PHANTOM_NAME}: for trying the software alone"
    classes = _CLASSES[int(config["num_classes"])]
    pred = out["network_data_format"]["outputs"]["pred"]
    pred["num_channels"] = len(classes)
    pred["channel_def"] = {str(number): name for number, name in enumerate(classes)}
    pred["spatial_shape"] = [f"{32 // int(config['output_stride'])}*n"] * 2
    return out


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def model_readme(text: str, facts: ModelFacts, config: Mapping[str, Any], vendored: bool, full: bool = True) -> str:
    """The bundle's README for this model: its numbers in place of the defaults', and JSON in place of YAML.

    Args:
        text: the README of the bundle without a model.
        facts: of the model.
        config: of training, as packaged, over that of preprocessing.
        vendored: the code comes along.
        full: all configs come along, and not inference alone.
    """
    sections = _Sections(re.sub(r"configs/(\w+)\.yaml", r"configs/\1.json", text))
    code = "The configs use the Python package `monai_tbkd`, which has to be installed."
    if vendored:
        code = (
            "The folder `monai_tbkd` holds the code that the configs use; nothing of this project has to be installed. "
            "What\nMONAI does not bring is named in `configs/metadata.json` under `required_packages_version`."
        )
    overview = re.sub(r"The configs use the Python package `monai_tbkd`.*?\n\n", code + "\n\n",
                      sections["# Model Overview"] + "\n\n", flags=re.DOTALL).rstrip()  # fmt: skip
    overview = re.sub(r"The network is a .*?(?=, and its one output)", _network(config), overview, flags=re.DOTALL)
    if facts.phantom:
        overview = f"{_PHANTOM_WARNING}\n\n{overview}"
    sections["# Model Overview"] = overview
    sections["## Data"] = f"The weights in `models/` were trained on {facts.trained_on}.\n\n" + sections[
        "## Data"
    ].replace(
        "The bundle contains no film. The terms",
        "The bundle contains no film. The terms of what the weights were trained on, and those",
    )
    sections["### Preprocessing"] = _preprocessing(config)
    sections["## Training configuration"] = _training(facts, config)
    size, stride = int(config["image_size"]), int(config["output_stride"])
    sections["### Input"] = (
        "One film: 3 channels (gray, repeated), float32, sides a multiple of 32 pixels; "
        f"{size} x {size} as these weights were trained."
    )
    sections["### Output"] = re.sub(
        r"`pred`: .*?puts it there\.",
        f"`pred`: {len(_CLASSES[int(config['num_classes'])])} channel(s), the activation map in logits, one cell per "
        f"{stride} x {stride} pixels of the input\n({-(-size // stride)} x {-(-size // stride)} cells for {size} x "
        f"{size}). Cell i is centered on pixel {stride} i; the post-processing puts it there.",
        sections["### Output"],
        flags=re.DOTALL,
    )
    sections["## Performance"] = _performance(facts)
    sections["#### Training Loss and Validation"] = (
        "A training writes its curves for TensorBoard: `train/loss/*`, `val/auc`, `val/union_mask_miou`, "
        "`val/pointing_game` and the pictures `val/overlays`."
    )
    if not full:
        sections.remove("#### Execute training", "#### Execute multi-GPU training", "#### Execute evaluation")
        sections["## Training configuration"] += _TRAIN_ELSEWHERE
        sections["#### Execute inference"] = _INFERENCE
    return re.sub(r"\[1,3,\d+,\d+\]", f"[1,3,{size},{size}]", str(sections))


def model_terms(text: str, facts: ModelFacts, terms: str | None) -> str:
    """``data_license.txt`` of a bundle that holds weights.

    Args:
        text: of the bundle without a model.
        facts: of the model.
        terms: of what it was trained on, or None for phantom films, whose terms are in the text.
    """
    own = (
        "The bundle contains no film and no annotation. It holds weights (models/, SHA-256 of model.pt\n"
        f"{facts.sha256})\nthat were trained on:\n\n  {facts.trained_on}\n\n"
    )
    own += "Terms of what the weights were trained on:\n\n" + (
        terms.strip() if terms else "See the section on phantom films below."
    )
    head, rule, rest = text.partition("=\n\n")
    # the paragraph that says that there are no weights gives way; what follows it is about data in general
    rest = re.sub(
        r"The bundle contains no film.*?weights trained on them\.",
        f"{own}\n\nWhat follows are the terms of data that the bundle can be trained on, as we found them stated; it\n"
        "is no legal advice. Read the terms at the source before you use or pass on the data, or weights trained\n"
        "on them.",
        rest,
        flags=re.DOTALL,
    )
    return head + rule + rest


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
    size = int(config["image_size"])
    film = int(config["film_size"]) if config["lung_crop"] else size
    changes = "horizontal flips"
    if not config["keep_features"]:
        changes += ", small rotations,\nzooms and shifts, and changes of gamma"
    crop = (
        f" The film is then cut to the box of its lungs and brought to {size} x {size}." if config["lung_crop"] else ""
    )
    return (
        f"Films are read upright in one channel, resized to {film} x {film} (bilinear, anti-aliased) and stretched\n"
        f"between their 0.5 and 99.5 percentiles to 8 bits.{crop} The gray value is repeated to three channels and\n"
        "standardized with ImageNet's mean and deviation. A plain border of a third of a picture or more, as of a\n"
        f"screenshot, is cut off before; maps and boxes are those of the whole picture. Training adds {changes}."
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
    lines = [
        "How these weights were trained, as far as their record (`models/model.json`) says:",
        "",
        f"- Network: {network or 'unknown'}.",
        *[f"- {key}: {value}" for key, value in settings.items() if not isinstance(value, dict | list)],
        "",
        defaults,
    ]
    return "\n".join(lines)


def _performance(facts: ModelFacts) -> str:
    parts = []
    if facts.phantom:
        parts.append(f"Of **phantom films only** ({NOTICE}); nothing is known of these weights on real films.")
    if facts.metrics is not None:
        split = facts.metrics["splits"]["test"]
        parts.append(
            f"{split['films']} films of the reported split, {split['tb_films_with_boxes']} of them with TB and boxes; "
            "thresholds were chosen on other films.\n95 % bootstrap intervals."
        )
        parts.append(facts.table())
        parts.append(
            "Union-mask mIoU is the mean over TB films of the IoU of the thresholded map with the union of the true "
            "boxes. The\npointing game is the share of TB films whose map is strongest inside a true box. AUC is of TB "
            "against all other films."
        )
    if facts.performance:
        parts.append(facts.performance)
    if facts.metrics is None and not facts.performance:
        parts.append("No measurement was handed over with these weights, so there is no number to give.")
    return "\n\n".join(parts)


class _Sections:
    """A Markdown text by its headings; a section ends at the next heading of whatever level."""

    def __init__(self, text: str) -> None:
        self.parts: list[list[str]] = []
        fenced = False
        for line in text.splitlines():
            fenced ^= line.startswith("```")
            if not self.parts or (line.startswith("#") and not fenced):
                self.parts.append([line, ""])
            else:
                self.parts[-1][1] += line + "\n"

    def _part(self, heading: str) -> list[str]:
        for part in self.parts:
            if part[0] == heading:
                return part
        raise ValueError(f"The bundle's README has no section {heading!r}.")

    def __getitem__(self, heading: str) -> str:
        return self._part(heading)[1].strip()

    def __setitem__(self, heading: str, body: str) -> None:
        self._part(heading)[1] = f"\n{body.strip()}\n\n"

    def remove(self, *headings: str) -> None:
        self.parts = [part for part in self.parts if part[0] not in headings]

    def __str__(self) -> str:
        return "\n".join(f"{heading}\n{body}".rstrip() + "\n" for heading, body in self.parts)
