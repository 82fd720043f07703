"""How much longer it takes to keep an image's features than the backbone alone needs for it and its mirror image.

    python benchmarks/kept_features.py --dataset_dir TBX11K --weights resnet50.pth [--set lung_weights=lungs.pt] \
      [--images 24] [--rounds 3]

Both sides are taken in turns, on the same images: the product's way (read, crop, features, file on disk) and
the backbone's bare forward pass on images that are in memory. Prints seconds an image and their ratio by round.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from monai.bundle import ConfigWorkflow

from monai_tbkd.bundle import set_option
from monai_tbkd.data import ContentStore, image_labels
from monai_tbkd.networks.bfloat16_support import has_bfloat16
from monai_tbkd.transforms import NormalizeImage

TRAIN = Path(__file__).resolve().parent.parent / "bundle" / "configs" / "train.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_dir", required=True)
    parser.add_argument("--weights", help="none for network_def#backbone=efficientnet_lite0, whose package has them")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="other settings of train.yaml")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workflow = ConfigWorkflow(
            str(TRAIN), workflow_type="train", logging_file=False, dataset_dir=args.dataset_dir, weights=args.weights,
            output_dir=folder, features_dir=None, stage="teacher", **dict(map(set_option, args.set)),
        )  # fmt: skip
        workflow.initialize()
        content = workflow.parser.get_parsed_content
        network, preprocessing = content("network_def").eval(), content("preprocessing")
        kept, device = content("kept"), content("device")
        items = image_labels(content("datalist")["train"])[: args.images]
        images = [NormalizeImage()(torch.as_tensor(preprocessing(dict(item))["image"]))[None] for item in items]
        ratios = []
        for number in range(args.rounds):
            store = ContentStore(items, kept, Path(folder) / str(number))
            began = time.perf_counter()
            for i in range(len(items)):
                store[i]
            ours = (time.perf_counter() - began) / len(items)
            began = time.perf_counter()
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
                for image in images:
                    network.stages(torch.cat([image, image.flip([-1])]).to(device))
            bare = (time.perf_counter() - began) / len(items)
            ratios.append(ours / bare)
            sys.stdout.write(f"kept {ours:.3f} s an image, bare {bare:.3f} s, ratio {ours / bare:.2f}\n")
        precision = "bfloat16" if has_bfloat16(device) else "float32"
        sys.stdout.write(f"median ratio {np.median(ratios):.2f} ({precision}, {torch.get_num_threads()} threads)\n")


if __name__ == "__main__":
    main()
