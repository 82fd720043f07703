"""A whole phantom data set on disk, in TBX11K's layout, and a contact sheet of images."""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.data.files.own_results import PHANTOM_RECIPE
from monai_tbkd.data.lists.image_classes import CLASS_NAMES
from monai_tbkd.data.phantom.cues import CUE_KINDS, ShortcutSpec, write_text
from monai_tbkd.data.phantom.disease import ACTIVE, LATENT, Lesion
from monai_tbkd.data.phantom.image import GENERATOR_VERSION, MIN_SIZE, PhantomImage, make_image

logger = logging.getLogger(__name__)

_SPLITS = ("train", "val")
_PREFIX = {"health": "h", "sick": "s", "tb": "tb"}
_CATEGORIES = [
    {"id": i, "name": name, "supercategory": "Tuberculosis"}
    for i, name in enumerate((ACTIVE, LATENT, "PulmonaryTuberculosis"), start=1)
]
_ORIGINAL_SIDES = (1500, 3000)  # TBX11K's originals are this large and rarely square
_ORIGINAL_STREAM = 2**31  # apart from the images' own seeds
_SHEET_COLUMNS, _SHEET_SIDE, _LINE = 4, 384, 22  # images a row, and pixels of an image and of the line below it
_ACTIVE_COLOR, _LATENT_COLOR, _CUE_COLOR = (255, 190, 0), (0, 190, 255), (120, 220, 120)

_README = """Phantom images: SYNTHETIC chest X-rays, made by a computer program (monai_tbkd).

No patient was ever imaged: every image, lesion and box is drawn from random numbers. The images are made to test
software that finds where tuberculosis is; they say nothing about real disease. Research use only, never for
diagnosis, and no substitute for a measurement on real images.

The layout is that of TBX11K. phantom.json holds the recipe and, for each image, its lesions and the shortcuts (side
letter, text, border, exposure style) that were put on it, with boxes [xmin, ymin, xmax, ymax] in PNG pixels, half-open.
The boxes in annotations/xml are in the pixels of a larger imagined original, as in the release.
"""


class _Job(NamedTuple):
    name: str
    class_name: str
    split: str
    number: int  # within the split, over all its classes


def _checked(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe of a data set, everything that decides its bytes, as plain JSON types; bad arguments are an error."""
    for name in ("n_train", "n_val"):
        counts = recipe[name]
        if set(counts) - set(CLASS_NAMES) or any(int(n) < 0 for n in counts.values()):
            raise ValueError(f"{name} needs counts of 0 or more for {CLASS_NAMES}, got {dict(counts)}")
        recipe[name] = {c: int(counts.get(c, 0)) for c in CLASS_NAMES}
    if not any([*recipe["n_train"].values(), *recipe["n_val"].values()]):
        raise ValueError("n_train and n_val are all 0, so there is no image to make; ask for one at least")
    if recipe["size"] < MIN_SIZE:
        raise ValueError(f"size is the images' side in pixels, at least {MIN_SIZE}, got {recipe['size']}")
    if recipe["seed"] < 0:
        raise ValueError(f"seed must be 0 or more, got {recipe['seed']}")
    for split in _SPLITS:
        _shortcut(recipe, split)
    return {"generator_version": GENERATOR_VERSION, **recipe}


def _shortcut(recipe: Mapping[str, Any], split: str) -> ShortcutSpec:
    return ShortcutSpec(tuple(recipe["shortcut_kinds"]), recipe[f"{split}_agreement"])


def _jobs(recipe: Mapping[str, Any]) -> list[_Job]:
    """All images; the numbers in their names run on from train to val."""
    jobs: list[_Job] = []
    numbers = {name: count(1) for name in CLASS_NAMES}
    for split in _SPLITS:
        names = [name for name, number in recipe[f"n_{split}"].items() for _ in range(number)]
        for index, name in enumerate(names):
            jobs.append(_Job(f"{name}/{_PREFIX[name]}{next(numbers[name]):04d}.png", name, split, index))
    return jobs


def _is_there(folder: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether a folder holds this very data set; an absent or empty one does not, other content is an error."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    fix = "choose another output folder, or remove this one"
    try:
        found = json.loads(read_text(folder / PHANTOM_RECIPE))["recipe"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileExistsError(f"{folder} is not empty and holds no readable {PHANTOM_RECIPE}; {fix}") from error
    if found != recipe:
        keys = sorted(k for k in {*found, *recipe} if found.get(k) != recipe.get(k))
        what = ", ".join(f"{k} is {found.get(k)!r} and {recipe.get(k)!r} was asked for" for k in keys)
        raise FileExistsError(f"{folder} holds a phantom data set of another recipe ({what}); {fix}")
    return True


def _voc_xml(stem: str, lesions: Sequence[Lesion], png_size: int, original: Sequence[int]) -> str:
    """The VOC annotation of one image, formatted as the release's; boxes are in pixels of the (width, height) given."""

    def add(parent: ElementTree.Element, **texts: object) -> None:
        for name, text in texts.items():
            ElementTree.SubElement(parent, name).text = str(text)

    root = ElementTree.Element("annotation")
    add(root, filename=stem, segmented=0)
    width, height = original
    add(ElementTree.SubElement(root, "size"), width=width, height=height)
    for lesion in lesions:
        each = ElementTree.SubElement(root, "object")
        add(each, name=lesion.tb_type, pose="unspecified", truncated=0, difficult=0)
        xmin, ymin, xmax, ymax = (round(c * scale / png_size) for c, scale in zip(lesion.box, (width, height) * 2))
        add(ElementTree.SubElement(each, "bndbox"), xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax)
    ElementTree.indent(root, "\t")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _coco_json(images: Sequence[tuple[str, Sequence[Lesion]]], png_size: int) -> dict[str, Any]:
    """The COCO annotation of one split; images without a lesion are listed too, as in the release."""
    ids = {category["name"]: category["id"] for category in _CATEGORIES}
    listed: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (name, lesions) in enumerate(images, start=1):
        listed.append({"id": image_id, "file_name": name, "width": png_size, "height": png_size})
        for lesion in lesions:
            x0, y0, x1, y1 = (float(c) for c in lesion.box)
            numbers = {"id": len(annotations) + 1, "image_id": image_id, "category_id": ids[lesion.tb_type]}
            box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
            annotations.append({**numbers, **box, "iscrowd": 0})
    return {"images": listed, "annotations": annotations, "categories": _CATEGORIES}


def _make(folder: Path, recipe: Mapping[str, Any], job: _Job) -> tuple[_Job, dict[str, Any], tuple[Lesion, ...]]:
    """Make and write one image, in whichever process."""
    seed, size = (recipe["seed"], _SPLITS.index(job.split), job.number), recipe["size"]
    image = make_image(job.class_name, seed, size, _shortcut(recipe, job.split))
    Image.fromarray(image.image).save(folder / "imgs" / job.name)
    if recipe["write_lung_fields"]:
        mask = np.where(image.lung_field, 255, 0).astype(np.uint8)
        Image.fromarray(mask).save(folder / "lung_fields" / job.name)
    record = {"file_name": job.name, "split": job.split, **image.to_record()}
    if job.class_name == "tb":
        original = np.random.default_rng((*seed, _ORIGINAL_STREAM)).integers(*_ORIGINAL_SIDES, size=2).tolist()
        stem = Path(job.name).stem
        xml = _voc_xml(stem, image.lesions, size, original)
        (folder / "annotations" / "xml" / f"{stem}.xml").write_text(xml, encoding="utf-8")
    return job, record, image.lesions


def _write_all(folder: Path, recipe: Mapping[str, Any], num_workers: int) -> None:
    """Write the data set into an empty folder."""
    for kind in ("imgs", *(["lung_fields"] if recipe["write_lung_fields"] else [])):
        for class_name in CLASS_NAMES:
            (folder / kind / class_name).mkdir(parents=True)
    for name in ("lists", "annotations/xml", "annotations/json"):
        (folder / name).mkdir(parents=True)
    jobs, work = _jobs(recipe), partial(_make, folder, recipe)
    records: list[dict[str, Any]] = []
    images: dict[str, list[tuple[str, tuple[Lesion, ...]]]] = {split: [] for split in _SPLITS}
    chunk = max(1, min(16, len(jobs) // (4 * max(1, num_workers))))
    with ProcessPoolExecutor(num_workers) if num_workers > 0 else nullcontext() as pool:
        made = pool.map(work, jobs, chunksize=chunk) if pool else map(work, jobs)
        shown = tqdm(made, "phantom images", len(jobs), unit="image", disable=not sys.stderr.isatty())
        for job, record, lesions in shown:
            records.append(record)
            images[job.split].append((job.name, lesions))
    for split, listed in (*images.items(), ("trainval", images["train"] + images["val"])):
        names = "".join(f"{name}\n" for name, _ in listed)
        (folder / "lists" / f"TBX11K_{split}.txt").write_text(names, encoding="utf-8")
        coco = json.dumps(_coco_json(listed, recipe["size"]))
        (folder / "annotations" / "json" / f"TBX11K_{split}.json").write_text(coco, encoding="utf-8")
    (folder / "README.txt").write_text(_README, encoding="utf-8")
    whole = {"synthetic": True, "recipe": recipe, "images": records}
    (folder / PHANTOM_RECIPE).write_text(json.dumps(whole, indent=1), encoding="utf-8")


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
    """Write a phantom data set in TBX11K's layout, and return its folder.

    The bytes depend on the arguments except ``output_dir`` and ``num_workers``. The set is moved to ``output_dir`` when
    it is whole, so a run that was cut short leaves none.

    Args:
        output_dir: absent, empty, or holding the same data set, which is then reused.
        n_train: number of training images of ``health``, ``sick`` and ``tb``; a class left out has none.
        n_val: number of validation images.
        size: side of the images in pixels.
        seed: of the whole set.
        train_agreement: how often each cue's presence agrees with "has tuberculosis" in train, see `ShortcutSpec`.
        val_agreement: the same in the validation split.
        shortcut_kinds: which cues there are.
        num_workers: processes that make images; 0 makes them in this one.
        write_lung_fields: write ``lung_fields/<class>/<name>.png`` too, 255 in the aerated lung.

    Raises:
        FileExistsError: ``output_dir`` holds something else, or phantom images of another recipe.
        ValueError: arguments that make no data set.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as tmp:
        ...     root = write_phantom_dataset(f"{tmp}/images", {"health": 1, "tb": 1}, {"tb": 1}, size=96)
        ...     (root / "lists" / "TBX11K_train.txt").read_text().split()
        ['health/h0001.png', 'tb/tb0001.png']
    """
    target = Path(output_dir)
    recipe = _checked(
        {
            "n_train": n_train, "n_val": n_val, "size": size, "seed": seed, "train_agreement": train_agreement,
            "val_agreement": val_agreement, "shortcut_kinds": list(shortcut_kinds),
            "write_lung_fields": write_lung_fields,
        }
    )  # fmt: skip
    if _is_there(target, recipe):
        logger.info("%s already holds this phantom data set; it is reused", target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.unfinished.{secrets.token_hex(8)}")
    unfinished.mkdir()
    try:
        _write_all(unfinished, recipe, num_workers)
        if target.exists():
            target.rmdir()  # empty, Windows does not rename onto a folder
        os.replace(unfinished, target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    logger.info("wrote %d phantom images to %s", len(_jobs(recipe)), target)
    return target


def write_sheet(images: Sequence[PhantomImage], path: str | Path) -> Path:
    """Write a PNG of images in reading order, lesions in amber (active) and blue (latent), cues in green."""
    columns, side = _SHEET_COLUMNS, _SHEET_SIDE
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * side, rows * (side + _LINE)), (0, 0, 0))
    draw = ImageDraw.Draw(sheet)
    for i, image in enumerate(images):
        x, y = (i % columns) * side, (i // columns) * (side + _LINE)
        sheet.paste(Image.fromarray(image.image).resize((side, side), Image.Resampling.LANCZOS).convert("RGB"), (x, y))
        scale = side / image.image.shape[0]
        marks = [(n.box, _ACTIVE_COLOR if n.tb_type.startswith("Active") else _LATENT_COLOR) for n in image.lesions]
        marks += [(c.box, _CUE_COLOR) for c in image.cues if c.box is not None]
        for box, color in marks:
            x0, y0, x1, y1 = (c * scale for c in box)
            draw.rectangle((x + x0, y + y0, x + x1 - 1, y + y1 - 1), outline=color)
        words = [image.class_name, *([image.finding] if image.finding else []), *(n.kind for n in image.lesions)]
        line = write_text(" / ".join(words).upper(), 12)[:, : side - 12]
        caption = Image.fromarray(np.asarray(line * 230, dtype=np.uint8))
        sheet.paste(caption.convert("RGB"), (x + 6, y + side + 5))
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target)
    return target
