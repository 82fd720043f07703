"""``export``: a trained model as ONNX, OpenVINO or TorchScript, in 8 bits on demand."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor

from monai_tbkd.backends import Agreement, ExportedNet, ImageInputNet, agreement, export_network
from monai_tbkd.backends.exported_net import MapOf, suffix_of
from monai_tbkd.backends.int8_quantization import Int8Network, block_errors, order_of, search
from monai_tbkd.backends.write_network import int8_network
from monai_tbkd.bundle import bundle_files, literal, model_settings, recipe_file, set_option
from monai_tbkd.bundle.locations import MODEL, released_model
from monai_tbkd.data import list_images
from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.data.readers.radiograph_dataset import image_error_in
from monai_tbkd.engines import describe_module, load_trained
from monai_tbkd.networks import model_version
from monai_tbkd.networks.checkpoint import file_sha256, read_record
from monai_tbkd.transforms import NOTICE

logger = logging.getLogger(__name__)

Pair = tuple[torch.Tensor, torch.Tensor | None]
"""An image and the position of its crop."""

SMALLEST_IOU, LARGEST_CHANGE = 0.95, 0.01
"""What an 8-bit model is to keep: mean IoU of its boxes with those of float32, and mean change of the score."""
_RANKED, _SEARCHED = 4, 25  # images by which blocks are put in order, and by which the fewest are found
_CHECKED = 5  # one image in so many is kept to compare both networks on


def run(args: argparse.Namespace) -> int:
    """Load, write, and log how much the written network agrees.

    Returns:
        The exit status: 1 where the boxes of an 8-bit file do not agree with float32's.

    Raises:
        ValueError: settings that the model was not trained with, int8 without images, or no choice of blocks that keeps
            the boxes in 8 bits.
    """
    if args.int8 != (args.images is not None):
        raise ValueError(
            "--int8 needs --images, a folder of images like those it will be used on, and nothing else does."
        )
    is_released = args.checkpoint is None
    args.checkpoint = args.checkpoint or released_model() / MODEL
    parser = inference_config(args.checkpoint, args.recipe, args.values)
    network, pooling = (parser.get_parsed_content(key) for key in ("network_def", "pooling"))
    image_size = int(parser.get_parsed_content("image_size"))
    load_trained(network, args.checkpoint, pooling, image_size)
    network.eval()
    suffix = suffix_of(args.format)
    # the released model's folder is the installation's
    beside = Path(args.checkpoint.name) if is_released else args.checkpoint
    output = args.output or beside.with_suffix((".int8" if args.int8 else "") + suffix)
    if output.suffix.lower() != suffix:
        raise ValueError(f"--output is {output}; a file of format {args.format} ends with {suffix}.")
    record = {
        "notice": NOTICE,
        "model_version": model_version(args.checkpoint) + (" int8" if args.int8 else ""),
        "checkpoint_sha256": file_sha256(args.checkpoint),
        "architecture": getattr(network, "architecture", None),
        "image_size": image_size,
        "pooling": describe_module(pooling),
        "operating_point": _operating_point(Path(parser.get_parsed_content("operating_point")), args.checkpoint),
        "training": (read_record(args.checkpoint) or {}).get("training"),
    }
    if args.int8:
        written, found = _in_8_bits(args, parser, network, output, record)
    else:
        written, found = export_network(network, output, record, (image_size, image_size)), None
    parts = (output, output.with_suffix(".bin")) if output.suffix == ".xml" else (output,)
    logger.info(
        "%s: %s of %s, %s, %.1f MB; maps differ from the network's by at most %.2g logits on noise (%s).",
        output, args.format, record["model_version"], written["precision"],
        sum(part.stat().st_size for part in parts) / 1e6, written["largest_difference"], NOTICE,
    )  # fmt: skip
    if found is not None:
        logger.info("Against float32, on images that chose nothing: %s.", found)
        if not _agrees(found):
            logger.warning(
                "%s: its boxes are not those of float32 (agreement %.2f; expected mean IoU %.2f or more, and a score "
                "changed by %.2f at most). Evaluate the 8-bit model by itself before it is used.",
                output, found.box_iou, SMALLEST_IOU, LARGEST_CHANGE,
            )  # fmt: skip
            return 1
    return 0


def _in_8_bits(
    args: argparse.Namespace, parser: ConfigParser, network: torch.nn.Module, output: Path, record: dict[str, Any]
) -> tuple[dict[str, Any], Agreement]:
    """Write the file with as few blocks in 32 bits as its boxes need, or as asked for; compare it on other images."""
    pairs = read_images(parser, args.images, args.number)
    used = [pair for number, pair in enumerate(pairs) if number % _CHECKED]
    judge = _judge(parser, network, pairs[::_CHECKED])
    size = (record["image_size"],) * 2
    made = int8_network(network, size, [image for image, _ in used], progress=True)
    runtime = "openvino" if args.format == "openvino" else "onnxruntime"
    keep = args.keep_float32
    if keep is None:
        keep = _fewest_blocks(made, runtime, parser, network, used)
    facts = {"images": len(used), "checked": len(pairs) - len(used), "float32": list(keep)}
    written = export_network(network, output, {**record, "calibration": facts}, size, made, keep)
    return written, judge(ExportedNet(output))


def _fewest_blocks(
    made: Int8Network, runtime: str, parser: ConfigParser, network: torch.nn.Module, used: Sequence[Pair]
) -> tuple[str, ...]:
    """Find the blocks to keep in 32 bits, by images that chose the ranges as well."""

    def spread(number: int) -> Sequence[Pair]:
        return used[:: max(1, -(-len(used) // number))]

    errors = block_errors(made, [image for image, _ in spread(_RANKED)], runtime)
    judge = _judge(parser, network, spread(_SEARCHED))

    def judged(maps_of: MapOf) -> tuple[Agreement, bool]:
        found = judge(maps_of)
        return found, _agrees(found)

    taken = search(made, order_of(made, errors), judged, runtime)
    if not taken.agrees:
        raise ValueError(
            f"8 bits lose this model's boxes: at best ({made.described(taken.keep)}) their agreement with float32's is "
            f"{taken.found.box_iou:.2f} (mean IoU; expected {SMALLEST_IOU} or more) and the score changes by "
            f"{taken.found.score_change:.3f} ({LARGEST_CHANGE} at most). Nothing is written; export without --int8, or "
            "name blocks by --keep_float32 to write it all the same."
        )
    logger.info("Taken: %s.", made.described(taken.keep))
    return taken.keep


def _judge(parser: ConfigParser, network: torch.nn.Module, pairs: Sequence[Pair]) -> Callable[[MapOf], Agreement]:
    """Return a function that compares a network's maps with float32's on images."""
    expected = scores_and_boxes(parser, ImageInputNet(network), pairs)
    return lambda maps_of: agreement(expected, scores_and_boxes(parser, maps_of, pairs))


def _agrees(found: Agreement) -> bool:
    return found.box_iou >= SMALLEST_IOU and found.score_change <= LARGEST_CHANGE


def scores_and_boxes(parser: ConfigParser, network: MapOf, pairs: Sequence[Pair]) -> list[tuple[float, torch.Tensor]]:
    """Compute scores (0-1) and boxes ``(n, 4)`` by the post-processing of inference, boxes whatever the score.

    Args:
        parser: of inference.yaml.
        network: from images ``(B, 1, H, W)`` uint8 to maps.
        pairs: images ``(1, H, W)`` uint8 and the positions of their crops.
    """
    steps = parser.get_parsed_content("postprocessing")
    found: list[tuple[float, torch.Tensor]] = []
    for image, position in pairs:
        with torch.no_grad():
            item = {"pred": network(image[None])[0], "original_size": torch.tensor(image.shape[-2:])}
        done = steps(item if position is None else {**item, "lung_crop": position})
        found.append((float(done["score"]), done["pred_boxes"]))
    return found


def inference_config(checkpoint: Path, recipes: Sequence[str], values: Sequence[str]) -> ConfigParser:
    """Read inference.yaml for a model, its images in 8 bits, its boxes drawn whatever the score.

    Raises:
        FileNotFoundError: no such recipe.
        ValueError: a value (``ID=VALUE``) of no id.
    """
    files = [bundle_files() / "configs" / "inference.yaml", *map(recipe_file, recipes)]
    parser = ConfigParser()
    parser.read_config([str(file) for file in files])
    for entry in values:
        key, value = set_option(entry)
        if key.split("::")[0] not in parser:
            raise ValueError(f"--set {entry}: inference.yaml has no {key}.")
        parser[key] = value
    point = _operating_point(checkpoint.with_name("operating_point.json"), checkpoint) or {}
    parser.update({
        "ckpt_dir": literal(str(checkpoint.parent)),
        "student_checkpoint": literal(str(checkpoint)),
        "device": "cpu",
        "backend": "torchscript",  # images in 8 bits, and normalization in the network
        "exported": None,
        "thresholds": {"map_threshold": point.get("map_threshold", 0.5), "mode": point.get("mode", "absolute"),
                       "score_threshold": 0.0},
    })  # fmt: skip
    parser.update(model_settings(parser.get(), checkpoint))
    parser["keep_whole_image"] = False
    return parser


def _operating_point(path: Path, checkpoint: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    point = json.loads(read_text(path))
    if point.get("model_sha256") != file_sha256(checkpoint):
        logger.warning("%s is of another model than %s and is not written into the file.", path, checkpoint)
        return None
    return {key: point[key] for key in ("map_threshold", "score_threshold", "mode", "chosen_on")}


def read_images(parser: ConfigParser, folder: Path, number: int) -> list[Pair]:
    """Read images ``(1, H, W)`` uint8 of a folder, spread over it, and the positions of their crops."""
    if number < _CHECKED:
        raise ValueError(f"--number is {number}; expected {_CHECKED} images or more.")
    listed = list_images(folder)
    steps = parser.get_parsed_content("preprocessing")
    pairs: list[Pair] = []
    # every so many of them, so that all sub-folders take part; those that are refused are made up for at the end
    step = max(1, len(listed) // number)
    for item in [image for first in range(step) for image in listed[first::step]]:
        if len(pairs) == number:
            break
        try:
            done = steps({"image": item["image"]})
        except RuntimeError as error:
            if image_error_in(error) is None:
                raise
            logger.info("left out: %s", image_error_in(error))
            continue
        image = done["image"]
        pairs.append((image.as_tensor() if isinstance(image, MetaTensor) else image, done.get("lung_crop")))
    if len(pairs) < _CHECKED:
        raise ValueError(f"{folder} has {len(pairs)} images that can be used; give at least {_CHECKED}, better 100.")
    return pairs
