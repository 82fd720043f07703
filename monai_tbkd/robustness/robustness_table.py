"""The numbers of a robustness study as text; those of single severities are in ``robustness.json`` and its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monai_tbkd.metrics.comparison_table import aligned, interval_text, resampled


def robustness_table(result: Mapping[str, Any]) -> str:
    """Format the content of ``robustness.json``: a column for each network and for each difference of two."""
    n, linear = result["splits"]["test"], result["without_detail"]
    head = (
        f"Reported split: {n['images']} images, {n['tb_images_with_boxes']} TB images with boxes; in brackets 95 % "
        f"bootstrap intervals over {resampled(n)}. {result['notice'].capitalize()}."
    )
    columns = {name: dict(_numbers(tree)) for name, tree in {**result["networks"], **result["differences"]}.items()}
    names = dict.fromkeys(name for numbers in columns.values() for name in numbers)
    rows = [[name, *(interval_text(numbers.get(name)) for numbers in columns.values())] for name in names]
    known = ", ".join(f"{name} {interval_text(auc)}" for name, auc in linear["auc"].items())
    lungs = (
        f"Lungs: {result['lungs']}. Linear models fitted on these images alone (cross-validated AUC): {known}. "
        f"{linear['meaning']}"
    )
    parts = [head, aligned([["", *columns], *rows]), lungs]
    if sanity := result.get("saliency_sanity"):
        rows = [[name, interval_text(number)] for name, number in _numbers(sanity)]
        parts.append(aligned([["saliency sanity", sanity["images"]], *rows]))
    return "\n\n".join(parts)


def _numbers(tree: Mapping[str, Any], words: tuple[str, ...] = ()) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The numbers of a nested mapping by their path, without those of single severities."""
    for key, each in tree.items():
        path = (*words, key.replace("_", " "))
        if isinstance(each, Mapping) and "value" in each:
            yield ", ".join(path), each
        elif isinstance(each, Mapping) and not key.isdigit():
            yield from _numbers(each, path)
