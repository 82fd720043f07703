"""A step of distillation through our trainer, beside the same written by hand in PyTorch.

    python benchmarks/distillation_step.py

Teacher and student are alike (ResNet-18, 224 pixels), batch of 8, label, logit and map terms and AdamW as in
train.yaml. CPU time of one thread. Both sides take films of one 8-bit channel in a batch and normalize them. The loop
by hand makes nothing but the step: teacher without gradients, student, three terms, backward, optimizer. Ours goes
through `DistillationTrainer`: MONAI's and ignite's engine, an output for each term, decollation. Before anything is
timed, a step of each is compared: the weights must be the same.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from in_turns import RESULTS, Way, in_turns, rows, write
from torch import nn

from monai_tbkd.engines import DistillationTrainer
from monai_tbkd.losses import DistillationObjective, LabelLoss, LogitDistillationLoss, MapDistillationLoss
from monai_tbkd.networks import ActivationMapNet, AverageMapPool
from monai_tbkd.transforms import NormalizeFilm

BASE, OURS = "loop by hand", "our trainer"
TEMPERATURE, LABEL, LOGITS, MAPS = 4.0, 0.5, 0.5, 1.0


def by_hand(student: nn.Module, teacher: nn.Module, batches: list[dict[str, Any]]) -> Way:
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-3, weight_decay=1e-2)
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(-1, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).reshape(-1, 1, 1)

    def place(maps: torch.Tensor) -> torch.Tensor:
        flat = maps.flatten(-2)
        return F.normalize(flat - flat.mean(-1, keepdim=True), dim=-1, eps=1e-6)

    def run() -> None:
        student.train()
        for batch in batches:
            film = (batch["image"].float() / 255.0 - mean) / std
            with torch.no_grad():
                target = teacher(film)
            optimizer.zero_grad()
            found = student(film)
            own, other = found.mean((-2, -1)), target.mean((-2, -1))
            label = F.cross_entropy(own, batch["label"])
            soft = F.kl_div(
                F.log_softmax(own / TEMPERATURE, 1), F.log_softmax(other / TEMPERATURE, 1),
                reduction="batchmean", log_target=True,
            ) * TEMPERATURE**2  # fmt: skip
            maps = (place(found) - place(target)).square().sum(-1).mean()
            (LABEL * label + LOGITS * soft + MAPS * maps).backward()
            optimizer.step()

    return run


def ours(student: nn.Module, teacher: nn.Module, batches: list[dict[str, Any]]) -> Way:
    terms = {
        "label": {"weight": LABEL, "loss": LabelLoss()},
        "logits": {"weight": LOGITS, "loss": LogitDistillationLoss(TEMPERATURE)},
        "map": {"weight": MAPS, "loss": MapDistillationLoss()},
    }
    trainer = DistillationTrainer(
        DistillationObjective(AverageMapPool(), terms), teacher, to_network=NormalizeFilm(), max_epochs=1,
        device=torch.device("cpu"), train_data_loader=batches, network=student,
        optimizer=torch.optim.AdamW(student.parameters(), lr=1e-3, weight_decay=1e-2),
    )  # fmt: skip
    return trainer.run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--output", type=Path, default=RESULTS / "performance.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    teacher = ActivationMapNet(args.backbone).eval()
    student = ActivationMapNet(args.backbone)
    batch = {
        "image": torch.randint(0, 256, (args.batch_size, 1, args.size, args.size), dtype=torch.uint8),
        "label": torch.arange(args.batch_size) % 2,
    }
    networks = {name: copy.deepcopy(student) for name in (BASE, OURS)}
    ways = {
        BASE: by_hand(networks[BASE], teacher, [batch]),
        OURS: ours(networks[OURS], copy.deepcopy(teacher), [batch]),
    }
    for way in ways.values():
        way()
    for key, value in networks[BASE].state_dict().items():
        torch.testing.assert_close(networks[OURS].state_dict()[key], value, atol=1e-4, rtol=1e-3, msg=key)
    subject = f"a step, {args.backbone}, {args.size} pixels, batch of {args.batch_size}"
    write("distillation_step", rows("distillation_step", subject, in_turns(ways, args.pairs), BASE), args.output)


if __name__ == "__main__":
    main()
