"""How much scores and boxes of exported files agree with float32 in PyTorch, on films.

    python benchmarks/backend_agreement.py --checkpoint models/model.pt --recipe tbx11k --films FILMS \\
      models/model.onnx models/model.int8.onnx models/model.xml:bfloat16

A file's name may be followed by the precision of what is not int8. Films go through the preprocessing and
post-processing of inference.yaml, boxes are drawn whatever the score. To be used on other films than those by which
8-bit ranges were chosen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from in_turns import RESULTS, number_row, write

from monai_tbkd.backends import ExportedNet, agreement
from monai_tbkd.commands.export_model import inference_config, read_films, scores_and_boxes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE[:PRECISION]", help="the first one is what others agree with")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--recipe", action="append", default=[])
    parser.add_argument("--set", action="append", default=[], dest="values")
    parser.add_argument("--films", type=Path, required=True)
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--model", required=True, help="what the model is, for the table")
    parser.add_argument("--output", type=Path, default=RESULTS / "performance.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = inference_config(args.checkpoint, args.recipe, args.values)
    films, places = read_films(config, args.films, args.number)
    made = []
    base, *others = args.files
    expected = scores_and_boxes(config, ExportedNet(base), films, places)
    for name in others:
        path, _, precision = name.partition(":")
        net = ExportedNet(path, precision=precision or "float32")
        found = agreement(expected, scores_and_boxes(config, net, films, places))
        print(name, found)
        way = " ".join([net.runtime, net.record["precision"], *([precision] if precision else [])])
        if "calibration" in net.record:
            kept = ", ".join(net.record["calibration"]["float32"])
            way += f", {kept} in 32 bits" if kept else ", all blocks"
        subject = f"agreement, {args.model}, {len(films)} films"
        for what in ("score_change", "largest_score_change", "box_iou", "mask_iou"):
            made.append(number_row(subject, what, way, getattr(found, what), "0-1", found.films))
    write(made[0]["benchmark"], made, args.output)


if __name__ == "__main__":
    main()
