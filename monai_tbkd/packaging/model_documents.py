"""Metadata and documents of a bundle that holds a certain model."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from monai_tbkd.packaging.model_facts import ModelFacts
from monai_tbkd.packaging.vendored_code import normal_name
from monai_tbkd.transforms.notice import NOTICE

PHANTOM_NAME = "PHANTOM IMAGES ONLY, knows no real image"
_TEMPLATE = Path(__file__).with_name("model_readme.md.j2")
_OF_MONAI = ("pytorch-ignite", "fire", "PyYAML", "tqdm")  # its engines, its command line, its configs, a progress bar
_TERMS = """What follows are the terms of data that the bundle can be trained on, as we found them stated; it
is no legal advice. Read the terms at the source before you use or pass on the data, or weights trained
on them."""
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
    """Return the bundle's README with the sections of ``model_readme.md.j2`` in place of its own.

    Args:
        text: the README of the bundle without a model.
        facts: of the model.
        config: of training, as packaged, over that of preprocessing.
        vendored: the code comes along.
        full: all configs come along, and not inference alone.

    Raises:
        ValueError: the README lacks a section or a sentence that is filled in.
    """
    text = re.sub(r"configs/(\w+)\.yaml", r"configs/\1.json", text)
    if not full:
        text = text.replace(", MetaImage, NRRD", "")
    sections = _sections(text)
    environment = Environment(lstrip_blocks=True, trim_blocks=True, undefined=StrictUndefined)
    environment.filters["instead_of"] = _instead_of
    size = int(config["image_size"])
    values = {
        "facts": facts, "config": config, "size": size, "vendored": vendored, "full": full, "notice": NOTICE,
        "classes": _CLASSES[int(config["num_classes"])],
        "epochs": re.findall(r"\d+", str(config["max_epochs"])),  # of a teacher, of others
    }  # fmt: skip
    for heading, template in _sections(_TEMPLATE.read_text(encoding="utf-8")).items():
        if heading not in sections:
            raise ValueError(f"The bundle's README has no section {heading!r}.")
        if not (full and heading == "#### Execute inference"):
            sections[heading] = environment.from_string(template).render(values, own=sections[heading]).strip()
    if not full:
        for what in ("training", "multi-GPU training", "evaluation"):
            sections.pop(f"#### Execute {what}", None)
    whole = "\n".join(f"{heading}\n\n{body}".rstrip() + "\n" for heading, body in sections.items())
    return re.sub(r"\[1,3,\d+,\d+\]", f"[1,3,{size},{size}]", whole)


def _sections(text: str) -> dict[str, str]:
    """Return the text under each heading."""
    parts = re.findall(r"^(#+ .*?)\n(.*?)(?=^#+ |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return {heading: body.strip() for heading, body in parts}


def _instead_of(text: str, pattern: str, new: str) -> str:
    """Replace what a pattern matches: the filter of the template."""
    text, number = re.subn(pattern, lambda _: new, text, flags=re.DOTALL)
    if not number:
        raise ValueError(f"The bundle's README has nothing like {pattern!r}.")
    return text


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
