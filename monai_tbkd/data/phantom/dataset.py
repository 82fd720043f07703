"""A whole phantom data set on disk, in TBX11K's layout."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from monai_tbkd.data.phantom.film import make_film
from monai_tbkd.data.phantom.recipe import RECIPE_FILE, SPLITS, Recipe, holds_recipe
from monai_tbkd.data.phantom.records import CLASS_NAMES, Lesion
from monai_tbkd.data.phantom.shortcuts import CUE_KINDS
from monai_tbkd.data.phantom.tbx11k_layout import coco_json, film_name, voc_xml

logger = logging.getLogger(__name__)

_ORIGINAL_SIDES = (1500, 3000)  # TBX11K's originals are this large and rarely square
_ORIGINAL_STREAM = 2**31  # apart from the films' own seeds

_README = """Phantom films: SYNTHETIC chest X-rays, made by a computer program (monai_tbkd).

No patient was ever imaged: every film, lesion and box is drawn from random numbers. The films are made to test software
that finds where tuberculosis is; they say nothing about real disease. Research use only, never for diagnosis, and no
substitute for a measurement on real films.

The layout is that of TBX11K. phantom.json holds the recipe and, for each film, its lesions and the shortcuts (side
letter, text, border, exposure style) that were put on it, with boxes [xmin, ymin, xmax, ymax] in PNG pixels, half-open.
The boxes in annotations/xml are in the pixels of a larger imagined original, as in the release.
"""


@dataclass(frozen=True)
class _Job:
    name: str
    class_name: str
    split: str
    index: int


def _jobs(recipe: Recipe) -> list[_Job]:
    """All films: numbers run on from train to val, the index within a split runs over all its classes."""
    jobs: list[_Job] = []
    numbers = dict.fromkeys(CLASS_NAMES, 0)
    for split in SPLITS:
        index = 0
        for class_name, count in recipe.counts(split).items():
            for _ in range(count):
                numbers[class_name] += 1
                jobs.append(_Job(film_name(class_name, numbers[class_name]), class_name, split, index))
                index += 1
    return jobs


def _make(folder: Path, recipe: Recipe, job: _Job) -> tuple[_Job, dict[str, Any], tuple[Lesion, ...]]:
    """Make and write one film, in whichever process."""
    seed = (recipe.seed, SPLITS.index(job.split), job.index)
    film = make_film(job.class_name, seed, recipe.size, recipe.shortcut(job.split))
    Image.fromarray(film.image).save(folder / "imgs" / job.name)
    if recipe.write_lung_fields:
        mask = np.where(film.lung_field, 255, 0).astype(np.uint8)
        Image.fromarray(mask).save(folder / "lung_fields" / job.name)
    record = {"file_name": job.name, "split": job.split, **film.to_record()}
    if job.class_name == "tb":
        width, height = np.random.default_rng((*seed, _ORIGINAL_STREAM)).integers(*_ORIGINAL_SIDES, size=2)
        stem = Path(job.name).stem
        xml = voc_xml(stem, film.lesions, recipe.size, (int(width), int(height)))
        (folder / "annotations" / "xml" / f"{stem}.xml").write_text(xml, encoding="utf-8")
    return job, record, film.lesions


def _run(
    folder: Path, recipe: Recipe, jobs: Sequence[_Job], num_workers: int
) -> Iterator[tuple[_Job, dict[str, Any], tuple[Lesion, ...]]]:
    work = partial(_make, folder, recipe)
    if num_workers <= 0:
        yield from map(work, jobs)
        return
    with ProcessPoolExecutor(max_workers=num_workers) as pool:
        yield from pool.map(work, jobs, chunksize=max(1, min(16, len(jobs) // (4 * num_workers))))


def _write_all(folder: Path, recipe: Recipe, num_workers: int) -> None:
    """Write the data set into an empty folder."""
    for kind in ("imgs", *(["lung_fields"] if recipe.write_lung_fields else [])):
        for class_name in CLASS_NAMES:
            (folder / kind / class_name).mkdir(parents=True)
    for name in ("lists", "annotations/xml", "annotations/json"):
        (folder / name).mkdir(parents=True)

    jobs = _jobs(recipe)
    records: list[dict[str, Any]] = []
    films: dict[str, list[tuple[str, tuple[Lesion, ...]]]] = {split: [] for split in SPLITS}
    progress = tqdm(total=len(jobs), desc="phantom films", unit="film", disable=not sys.stderr.isatty())
    with progress:
        for job, record, lesions in _run(folder, recipe, jobs, num_workers):
            records.append(record)
            films[job.split].append((job.name, lesions))
            progress.update()

    for split, listed in (*films.items(), ("trainval", films["train"] + films["val"])):
        names = "".join(f"{name}\n" for name, _ in listed)
        (folder / "lists" / f"TBX11K_{split}.txt").write_text(names, encoding="utf-8")
        coco = json.dumps(coco_json(listed, recipe.size))
        (folder / "annotations" / "json" / f"TBX11K_{split}.json").write_text(coco, encoding="utf-8")
    (folder / "README.txt").write_text(_README, encoding="utf-8")
    whole = {"synthetic": True, "recipe": recipe.to_json(), "films": records}
    (folder / RECIPE_FILE).write_text(json.dumps(whole, indent=1), encoding="utf-8")


def write_phantom_dataset(
    output_dir: str | Path,
    n_train: Mapping[str, int],
    n_val: Mapping[str, int],
    size: int = 512,
    seed: int = 0,
    train_agreement: float = 0.9,
    val_agreement: float = 0.1,
    shortcut_kinds: Sequence[str] = CUE_KINDS,
    num_workers: int = 0,
    write_lung_fields: bool = False,
) -> Path:
    """Write a phantom data set in TBX11K's layout.

    The bytes depend on the arguments except ``output_dir`` and ``num_workers``. The set is written into a temporary
    folder beside ``output_dir`` and moved there when it is whole, so a run that was cut short leaves no ``output_dir``.

    Args:
        output_dir: the data set's folder; absent, empty, or holding the same data set, which is then reused.
        n_train: number of training films of ``health``, ``sick`` and ``tb``; a class left out has none.
        n_val: number of validation films.
        size: side of the films in pixels.
        seed: of the whole set.
        train_agreement: how often each cue's presence agrees with "has tuberculosis" in the training split (0.5: no
            shortcut).
        val_agreement: the same in the validation split; below 0.5 the shortcut points the wrong way.
        shortcut_kinds: which cues there are, see `ShortcutSpec`.
        num_workers: processes that make films; 0 makes them in this one.
        write_lung_fields: write ``lung_fields/<class>/<name>.png`` too, 255 in the aerated lung.

    Returns:
        ``output_dir``.

    Raises:
        FileExistsError: if ``output_dir`` holds something else, or phantom films of another recipe.
        ValueError: on arguments that make no data set.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as tmp:
        ...     root = write_phantom_dataset(f"{tmp}/films", {"health": 1, "tb": 1}, {"tb": 1}, size=96)
        ...     (root / "lists" / "TBX11K_train.txt").read_text().split()
        ['health/h0001.png', 'tb/tb0001.png']
    """
    target = Path(output_dir)
    recipe = Recipe(
        dict(n_train), dict(n_val), size, seed, train_agreement, val_agreement, tuple(shortcut_kinds), write_lung_fields
    )
    if holds_recipe(target, recipe):
        logger.info("%s already holds this phantom data set; it is reused", target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}.unfinished.", dir=target.parent))
    try:
        _write_all(unfinished, recipe, num_workers)
        unfinished.chmod(0o777 & ~_umask())  # mkdtemp makes folders that only their owner can read
        if target.exists():
            target.rmdir()  # empty, as holds_recipe has seen; Windows does not rename onto a folder
        os.replace(unfinished, target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    logger.info("wrote %d phantom films to %s", len(_jobs(recipe)), target)
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
