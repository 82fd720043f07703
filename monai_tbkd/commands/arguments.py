"""Options and help of all commands; it imports nothing slow, so that ``--help`` is quick."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from monai_tbkd.data.lists.image_classes import LAYOUTS

CUE_KINDS = ("letter", "text", "border", "exposure")
FORMATS = ("onnx", "openvino", "torchscript")
INPUT_KINDS = ("dicom", "picture", "converted", "mixed")
SELECTIONS = ("boxes", "otsu", "fraction")

Add = Callable[[argparse.ArgumentParser], None]
COMMANDS: dict[str, Add] = {}
"""What adds the options of a command, by its name; its docstring is the help. ``commands/<name>.py`` has ``run``."""


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add all commands; the name of the given one becomes ``command`` of the parsed arguments."""
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, add_options in COMMANDS.items():
        brief, _, description = (add_options.__doc__ or "").partition("\n")
        description = f"{description or brief} Research use only, not for diagnosis."
        add_options(subparsers.add_parser(name, help=brief, description=description))


def _command(add_options: Add) -> Add:
    COMMANDS[add_options.__name__] = add_options
    return add_options


@_command
def locate(p: argparse.ArgumentParser) -> None:
    """Find where tuberculosis is on images: score, decision and boxes, a line an image.

    Find where tuberculosis is on chest X-rays (PNG, JPEG, TIFF, BMP, DICOM, NIfTI, MetaImage, NRRD): a line an
    image, with score, decision and boxes (xmin ymin xmax ymax in its pixels), or the reason why not. Exit status:
    0; 3 if images could not be read; 2 if something has to be mended first; 130 after Ctrl-C.
    """
    p.add_argument("images", nargs="+", metavar="IMAGE_OR_FOLDER", help="images, and folders with any below them")
    text = "write predictions.csv, .json and .html, overlays and a page an image there"
    p.add_argument("--output", type=Path, metavar="DIR", help=text)
    p.add_argument("--open", action="store_true", help="open the page of all images in the browser")
    _add_inference_options(p)
    p.add_argument(
        "--verbose", dest="quick", action="store_false", help="show what MONAI and decoders have to say, too"
    )


@_command
def demo(p: argparse.ArgumentParser) -> None:
    """A page to try the model on, in the browser.

    Start a page on this machine's loopback: drop an image, see map, boxes, score and threshold, or the reason why
    not. Nothing is kept, nothing is sent. Ctrl-C ends it.
    """
    _add_ckpt_dir(p)
    p.add_argument("--port", type=int, default=7860, help="of the page (default 7860)")
    p.add_argument("--open", action="store_true", help="open the page in the browser")


@_command
def bundle(p: argparse.ArgumentParser) -> None:
    """Print the folder that holds the bundle, for --config_file; or copy bundle and recipes."""
    p.add_argument("--recipes", action="store_true", help="print the folder of the recipes instead")
    p.add_argument("--output", type=Path, help="copy to OUTPUT/bundle and OUTPUT/configs, to edit and run there")


@_command
def phantom(p: argparse.ArgumentParser) -> None:
    """Write synthetic chest images (no patient) with known lesions and shortcuts, in TBX11K's layout."""
    p.add_argument("--output", type=Path, help="folder of the data set; absent, empty, or holding the same data set")
    for split, images, number in (("train", "training", 300), ("val", "validation", 100)):
        text = f"{images} images a class (default {number})"
        p.add_argument(
            f"--{split}", type=int, nargs=3, default=[number] * 3, metavar=("HEALTH", "SICK", "TB"), help=text
        )
    p.add_argument("--size", type=int, default=512, help="side of the images in pixels (default 512)")
    p.add_argument("--seed", type=int, default=0, help="the same seed gives the same images (default 0)")
    p.add_argument("--train_agreement", type=float, default=0.9, help="how often a cue agrees with TB (default 0.9)")
    p.add_argument("--val_agreement", type=float, default=0.1, help="the same in the validation split (default 0.1)")
    p.add_argument("--shortcuts", nargs="*", choices=CUE_KINDS, default=list(CUE_KINDS), help="which cues there are")
    p.add_argument("--workers", type=int, default=0, help="processes that make images; 0 makes them in this one")
    p.add_argument("--lung_fields", action="store_true", help="write lung-field masks too")
    p.add_argument("--sheet", type=Path, metavar="PNG", help="write a contact sheet of 12 images with boxes drawn")


@_command
def check_data(p: argparse.ArgumentParser) -> None:
    """Report what is in a data set: images, boxes, faults, duplicates, shortcuts.

    Read every image of a data set and report splits, classes, boxes, faults and duplicates. Ends with 0 if the data
    set can be used, with 1 if not.
    """
    p.add_argument("dataset_dir", nargs="+", type=Path, metavar="DIR", help="a folder or CSV file; several are merged")
    p.add_argument("--layout", choices=LAYOUTS, default="auto", help="of the data set (default: from its content)")
    p.add_argument("--workers", type=int, default=0, help="processes that read images; 0 reads in this one (default)")
    p.add_argument("--duplicates", action="store_true", default=True, help="look for duplicates (default)")
    p.add_argument("--no_duplicates", dest="duplicates", action="store_false", help="do not look for duplicates")
    p.add_argument("--shortcuts", action="store_true", help="measure how well a model predicts the label without lungs")
    p.add_argument("--json", type=Path, metavar="FILE", help="write everything, every duplicate included, to FILE")


@_command
def calibrate(p: argparse.ArgumentParser) -> None:
    """Choose a threshold on images with known labels, and say what it finds and costs.

    Choose a threshold for one model and one kind of images, on images with known labels; write the table of the
    WHO/TDR toolkit for calibrating computer-aided detection.
    """
    p.add_argument("--predictions", type=Path, required=True, metavar="CSV", help="predictions.csv of an inference")
    p.add_argument("--labels", type=Path, required=True, help="CSV with image,label[,patient_id], or a data set")
    p.add_argument("--output", type=Path, required=True, help="folder for calibration.* and threshold.json")
    text = "what the threshold has to reach: sensitivity=0.9 (default), specificity=0.7, or youden"
    p.add_argument("--target", default="sensitivity=0.9", help=text)
    p.add_argument("--prevalence", type=float, default=0.005, help="fraction with TB of those screened (default 0.005)")
    p.add_argument("--cost_image", type=float, default=5.0, help="of an image and its score (default 5)")
    p.add_argument("--cost_test", type=float, default=20.0, help="of a confirmatory test (default 20)")
    p.add_argument("--input_kind", choices=INPUT_KINDS, help="take only these images; mixed takes all together")
    p.add_argument("--patient_column", metavar="NAME", help="column of the labels CSV with the patient")
    p.add_argument("--model", type=Path, metavar="PT", help="the model, to see whether it was trained on these images")
    p.add_argument("--resamples", type=int, default=2000, help="bootstrap samples (default 2000)")


@_command
def export(p: argparse.ArgumentParser) -> None:
    """Write a trained model as ONNX, OpenVINO or TorchScript, for inference with --backend.

    Write a trained model for other runtimes: input an 8-bit gray image, normalization inside, output the map.
    Inference takes it by --backend onnxruntime, openvino, torchscript. Exit status: 0; 1 if an 8-bit file's boxes do
    not agree with float32's; 2 if none was written.
    """
    p.add_argument("--format", choices=FORMATS, required=True)
    _add_training_options(p)
    text = "the file; by default beside the checkpoint (of the released model: here): model.onnx, .xml or .ts"
    p.add_argument("--output", type=Path, help=text)
    p.add_argument("--int8", action="store_true", help="weights and activations in 8 bits (onnx, openvino)")
    p.add_argument("--images", type=Path, help="folder of images by which 8-bit ranges are chosen; no label is needed")
    p.add_argument("--number", type=int, default=125, help="images of it that take part (default 125)")
    text = (
        "blocks that stay in 32 bits (stem, layer1.0, ..., reduce), none if none is named; without this option as few "
        "as boxes need to agree with float32's"
    )
    p.add_argument("--keep_float32", nargs="*", metavar="BLOCK", help=text)


@_command
def score(p: argparse.ArgumentParser) -> None:
    """Score anyone's maps or boxes on a data set, beside blind baselines.

    Score maps (a .npy file an image) or boxes (COCO's format of results) of any method with the evaluator that
    scores our networks: metrics.json, report.html, images.csv. Thresholds are chosen on the selection split.
    """
    p.add_argument("--dataset_dir", nargs="+", required=True, help="data set, or several, as for training")
    p.add_argument("--maps", action="append", default=[], metavar="[NAME=]DIR", help="maps; may be given several times")
    p.add_argument("--boxes", action="append", default=[], metavar="[NAME=]FILE", help="boxes; several times as well")
    text = "scores of images, columns name and score (0-1); without them an image's highest map value or box score"
    p.add_argument("--scores", action="append", default=[], metavar="[NAME=]CSV", help=text)
    p.add_argument("--output_dir", type=Path, help="gets metrics.json, report.html and images.csv")
    p.add_argument("--list_images", type=Path, metavar="CSV", help="write which images are in which split, and stop")

    images = p.add_argument_group("images, as for training")
    images.add_argument("--layout", choices=LAYOUTS, default="auto", help="of the data set (default auto)")
    images.add_argument("--select", type=_size, default=0.15, help="selection split: fraction or number (default 0.15)")
    images.add_argument("--test", type=_size, default=None, help="reported split, where it is not the data set's own")
    images.add_argument("--test_dir", nargs="+", help="data sets that are all reported, as a hospital that is held out")
    images.add_argument("--lung_field_dir", type=Path, help="lung masks by image name, for one more blind baseline")

    given = p.add_argument_group("what is given")
    text = "of maps: none: they are of 0-1 (default); all: one scale for all images; image: each image by its own range"
    given.add_argument("--scale", choices=("none", "all", "image"), default="none", help=text)
    given.add_argument("--coco", type=Path, help="the data set's COCO annotations, for boxes with image_id")
    given.add_argument("--category_ids", type=int, nargs="+", help="categories of boxes that are TB (default all)")
    text = "images without a map or score (default error)"
    given.add_argument("--missing", choices=("error", "empty"), default="error", help=text)
    text = "images not in the data set (default error)"
    given.add_argument("--extra", choices=("error", "ignore"), default="error", help=text)

    chosen = p.add_argument_group("thresholds")
    chosen.add_argument("--selection", choices=SELECTIONS, default="boxes", help="how map thresholds are chosen")
    text = "given instead of chosen: of maps, or of box scores (0-1)"
    chosen.add_argument("--map_threshold", type=_fraction, help=text)
    chosen.add_argument("--score_threshold", type=_fraction, help="given instead of chosen: of image scores (0-1)")

    how = p.add_argument_group("how it is measured, as evaluate.yaml has it")
    how.add_argument("--grid", type=int, default=256, help="cells along each side of the grid (default 256)")
    how.add_argument("--smallest_area", type=float, default=0.002, help="of a component of a map (default 0.002)")
    how.add_argument("--largest_number", type=int, default=8, help="of boxes drawn from a map (default 8)")
    how.add_argument("--bootstrap_resamples", type=int, default=2000, help="default 2000")
    how.add_argument("--seed", type=int, default=0, help="of the bootstrap (default 0)")


@_command
def report(p: argparse.ArgumentParser) -> None:
    """Write an evaluation's report anew, summarize several seeds, or make the pages of an inference.

    Of one evaluation: write report.html anew from metrics.json and robustness.json, as after a robustness study;
    images and curves that the evaluation drew are kept. Of several, which differ in their seed: write seeds.json
    and seeds.html with means, spread and intervals over seeds and images. Of an inference: write predictions.html
    anew from predictions.json, and the pages of images that have none, without maps.
    """
    p.add_argument("runs", type=Path, nargs="+", metavar="OUTPUT_DIR", help="output_dir of an evaluation or inference")
    p.add_argument("--output_dir", type=Path, help="gets seeds.json and seeds.html")
    p.add_argument("--bootstrap_resamples", type=int, default=2000, help="of the summary (default 2000)")


@_command
def merge_predictions(p: argparse.ArgumentParser) -> None:
    """Join the parts of an inference that was run with --shard.

    Join OUT/shard_1_of_8, OUT/shard_2_of_8, ... to OUT/predictions.csv and .json, the table of a single run. Ends
    with 3 where images have failed.
    """
    p.add_argument("output_dir", type=Path, metavar="OUT", help="output_dir of the parts")


@_command
def label_app(p: argparse.ArgumentParser) -> None:
    """Write the folder of a MONAI Label app.

    Write a folder that a MONAI Label server is started on: configs, recipes and a copy of the weights, which
    training from corrections replaces.
    """
    p.add_argument("folder", type=Path, metavar="DIR", help="the new folder")
    p.add_argument("--bundle", type=Path, help="the bundle to serve (default: the one of this package)")
    text = "folder of model.pt (default: models in the bundle, or else the released model)"
    p.add_argument("--ckpt_dir", type=Path, help=text)
    text = "recipes that the model was trained with, in order"
    p.add_argument("--recipe", nargs="*", default=[], metavar="NAME|FILE", help=text)
    p.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="values of the configs, such as min_age=0")


@_command
def take_reports(p: argparse.ArgumentParser) -> None:
    """Take in OHIF's reports, from a PACS or from files, as labels of their images.

    Keep the newest report that an annotator has made of an image in a viewer (DICOM SR of TID 1500, as OHIF's
    'Create SR' stores it) as the image's finished label. Reports of programs, this one's too, are never taken.
    Images with a label that was saved otherwise are left alone. Then run export_labels, or train. Ends with 3 where
    a report could not be taken.
    """
    text = "the folder of images; with --url, APP/pacs/... of a PACS, or a new folder, which gets the reported images"
    p.add_argument("store", type=Path, metavar="FOLDER", help=text)
    text = "reports that were downloaded, or folders of them, in place of an archive"
    p.add_argument("--reports", nargs="+", type=Path, metavar="PATH", help=text)
    text = (
        "take from a PACS also reports that neither were made from this program's nor name tuberculosis: all their "
        "rectangles are then taken for it"
    )
    p.add_argument("--without_words", action="store_true", help=text)
    p.add_argument("--replace", action="store_true", help="replace labels that were saved otherwise, too")
    _add_archive_options(p, required=False)


@_command
def export_labels(p: argparse.ArgumentParser) -> None:
    """Write the labels of a MONAI Label app as boxes in image pixels.

    Write the finished labels of a MONAI Label app (boxes of 3D Slicer, CVAT's shapes, masks, our own JSON) as one
    JSON file of boxes in image pixels, as TBX11K's, and as a table to train on. No server is needed. Ends with 3
    where a label could not be read.
    """
    p.add_argument("store", type=Path, metavar="FOLDER", help="the folder of images, or APP/pacs/... of a PACS")
    p.add_argument("--output", type=Path, required=True, metavar="DIR", help="gets labels.json and manifest.csv")
    p.add_argument("--tag", default="final", help="which labels (default final)")


@_command
def pacs(p: argparse.ArgumentParser) -> None:
    """Find chest images without results in a PACS, infer, store the results in their studies.

    Find CR and DX chest images without our results in a DICOMweb archive, infer, and store DICOM results in their
    studies. Run it again to go on: what has results is skipped.
    """
    _add_archive_options(p)
    text = "folder for predictions.csv; the image in work lies in it"
    p.add_argument("--output", type=Path, required=True, help=text)
    text = "recipes that lie over inference.yaml"
    p.add_argument("--config", nargs="+", action="extend", default=[], type=Path, metavar="YAML", help=text)
    _add_inference_options(p)
    text = "DICOM objects to store for each image: sr and some of seg_map, seg_boxes, sc, gsps (default: all but gsps)"
    p.add_argument("--results", nargs="+", metavar="KIND", help=text)
    text = "store a report for each image that is refused or damaged, too; it has no score and says why"
    p.add_argument("--report_refused", action="store_true", help=text)
    p.add_argument("--again", action="store_true", help="look again at the images that were refused or damaged before")
    p.add_argument("--dry_run", action="store_true", help="list the images that would be done, and do nothing")
    p.add_argument("--limit", type=int, help="do at most this many images")
    p.add_argument("--watch", type=float, metavar="SECONDS", help="look again this long after each pass, until stopped")


@_command
def package(p: argparse.ArgumentParser) -> None:
    """Make the Model Zoo's folder from the bundle and a checkpoint.

    Make the folder that would be submitted to the Model Zoo as models/cxr_tuberculosis_localization: configs as
    JSON, code, model, documents. It holds inference alone, unless --full.
    """
    p.add_argument("--output", type=Path, required=True, metavar="DIR", help="the folder; absent or empty")
    _add_training_options(p)
    p.add_argument("--trained_on", metavar="TEXT", help="the images the model was trained on, in words")
    text = "it was trained on phantom images alone (if no record says so)"
    p.add_argument("--phantom", action="store_true", help=text)
    p.add_argument("--terms", type=Path, metavar="FILE", help="terms of those images; needed unless they are phantoms")
    p.add_argument("--metrics", type=Path, metavar="JSON", help="metrics.json of an evaluation of this model")
    text = "its numbers as Markdown, if they come from elsewhere"
    p.add_argument("--performance", type=Path, metavar="MD", help=text)
    p.add_argument("--lung_weights", type=Path, metavar="PT", help="lung-field network (TorchScript) to come along")
    p.add_argument("--url", help="where files of more than 25 MB will be fetched from; writes large_files.yml")
    text = "training, evaluation and every output too; inference alone otherwise"
    p.add_argument("--full", action="store_true", help=text)
    p.add_argument("--requirement", action="store_true", help="require this package by pip instead of copying its code")
    p.add_argument("--no_torchscript", action="store_true", help="leave models/model.ts out")
    p.add_argument("--hashes", type=Path, metavar="FILE", help="write a list of all files with hashes, outside of DIR")


@_command
def verify_bundle(p: argparse.ArgumentParser) -> None:
    """Check a bundle's folder as the Model Zoo would, offline.

    Check a bundle's folder as the Model Zoo would: files and sizes, metadata, references of configs, the network's
    input and output, TorchScript, properties, and every config run with small numbers. Configs are code: use it on
    folders that you trust, or with --hashes. Ends with 1 where something is wrong.
    """
    p.add_argument("folder", type=Path, metavar="DIR", help="the bundle")
    text = "list of its files with SHA-256, compared before all else"
    p.add_argument("--hashes", type=Path, metavar="FILE", help=text)
    p.add_argument("--schema", type=Path, metavar="FILE", help="the published metadata schema (nothing is downloaded)")
    text = "which configs to run with what overrides; for other bundles"
    p.add_argument("--runs", type=Path, metavar="FILE", help=text)
    text = "data set for the runs (default for ours: phantom images)"
    p.add_argument("--images", type=Path, metavar="DIR", help=text)
    p.add_argument("--no_run", action="store_true", help="look at files alone and run nothing of the bundle")
    p.add_argument("--report", type=Path, metavar="JSON", help="write what was found")


def _add_ckpt_dir(p: argparse.ArgumentParser) -> None:
    p.add_argument("--ckpt_dir", type=Path, metavar="DIR", help="folder of a model.pt (default: the released model)")


def _add_inference_options(p: argparse.ArgumentParser) -> None:
    _add_ckpt_dir(p)
    text = "other keys of inference.yaml, like threshold_file=threshold.json"
    p.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="settings", help=text)


def _add_training_options(p: argparse.ArgumentParser) -> None:
    text = "the trained model.pt (default: the released model)"
    p.add_argument("--checkpoint", type=Path, metavar="PT", help=text)
    text = "what the model was trained with over train.yaml: demo, paper, ..., or a file; may be given again"
    p.add_argument("--recipe", action="append", default=[], metavar="NAME|FILE", help=text)
    text = "a value as it was given on the command line of the training, such as stride_in_1x1=true"
    p.add_argument("--set", action="append", default=[], metavar="ID=VALUE", dest="values", help=text)


def _add_archive_options(parser: argparse.ArgumentParser, required: bool = True) -> None:
    secrets = "TBKD_PACS_USER and TBKD_PACS_PASSWORD, or TBKD_PACS_TOKEN; TBKD_PACS_KEY_PASSWORD"
    p = parser.add_argument_group("archive", f"Secrets come from the environment: {secrets}.")
    p.add_argument("--url", required=required, help="of the archive's DICOMweb, like https://host:8042/dicom-web")
    text = "which studies and series, like StudyDate=20260101-20261231 BodyPartExamined=CHEST"
    p.add_argument("--query", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=text)
    text = "how long to wait for an archive that has gone away (default 120)"
    p.add_argument("--patience", type=float, default=120, metavar="SECONDS", help=text)
    p.add_argument("--ca_file", type=Path, metavar="PEM", help="certificates of the authorities that are trusted")
    p.add_argument("--client_cert", type=Path, metavar="PEM", help="own certificate, for archives that ask for one")
    p.add_argument("--client_key", type=Path, metavar="PEM", help="its key, if it is not in the same file")


def _size(text: str) -> float:
    number = _number(text)
    if number <= 0 or (number >= 1 and number != int(number)):
        raise argparse.ArgumentTypeError(
            f"is {text!r}; expected a fraction above 0 and below 1, or a whole number of images"
        )
    return number if number < 1 else int(number)


def _fraction(text: str) -> float:
    number = _number(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"is {text!r}; expected 0 to 1")
    return number


def _number(text: str) -> float:
    """A finite number; -1 for other text."""
    try:
        number = float(text)
    except ValueError:
        return -1.0
    return number if math.isfinite(number) else -1.0
