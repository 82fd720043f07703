"""What it is worth to draw a map's cells where they look, and not as tiles: the same weights, both ways, paired.

    python benchmarks/cell_placement.py --dataset_dir outputs/demo/data --ckpt_dir outputs/demo/models

Thresholds are chosen for each way on the selection split, and the reported split is scored, as in every evaluation.
"""

from __future__ import annotations

import argparse

import torch
from monai.bundle import ConfigParser
from monai.utils import convert_to_tensor

from monai_tbkd.bundle import bundle_files, recipe_files
from monai_tbkd.engines.stages import finished_part
from monai_tbkd.metrics import Comparison, Predictions
from monai_tbkd.networks import class_log_odds
from monai_tbkd.transforms import MapToTBProbability


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_dir", required=True)
    parser.add_argument("--ckpt_dir", required=True)
    parser.add_argument("--recipe", default="demo")
    args = parser.parse_args()
    configs = bundle_files() / "configs"
    config = ConfigParser()
    config.read_config([configs / "train.yaml", configs / "evaluate.yaml", recipe_files() / f"{args.recipe}.yaml"])
    config.update({"dataset_dir": args.dataset_dir, "ckpt_dir": args.ckpt_dir, "num_workers": 0, "progress_bar": False})
    size = config.get_parsed_content("image_size")
    position = MapToTBProbability(config.get_parsed_content("output_stride"), (size, size))
    comparison: Comparison = config.get_parsed_content("evaluate::comparison")
    loaders = {"select": config.get_parsed_content("validate::dataloader")}
    loaders["test"] = config.get_parsed_content("evaluate::dataloader")
    networks, student = config.get_parsed_content("evaluate::study::networks"), config.get_parsed_content("trained")
    print("| network | drawn as tiles | placed where cells look | difference |\n|---|---|---|---|")
    for name, spec in networks.items():
        network = finished_part(spec["checkpoint"], student, name, spec.get("view"))
        ways: dict[str, dict[str, Predictions]] = {"tiles": {}, "placed": {}}
        for split, loader in loaders.items():
            with torch.no_grad():
                maps = torch.cat([network(convert_to_tensor(batch["image"], track_meta=False)) for batch in loader])
            tiles = torch.sigmoid(class_log_odds(maps))[:, 0].numpy()
            ways["tiles"][split] = Predictions(tiles, None)
            ways["placed"][split] = Predictions(torch.stack([position(m) for m in maps])[:, 0].numpy(), None)
        rows = comparison.run(ways)["predictors"]
        cells = [rows["tiles"]["union_mask_miou"], rows["placed"]["union_mask_miou"]]
        cells.append(rows["placed"]["union_mask_miou_minus"]["tiles"])
        print(f"| {name} | " + " | ".join(f"{c['value']:.3f} [{c['low']:.3f}, {c['high']:.3f}]" for c in cells) + " |")


if __name__ == "__main__":
    main()
