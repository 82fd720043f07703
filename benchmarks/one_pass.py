"""Map, score and boxes in one pass, beside a bare forward pass and beside what others offer for the map.

    python benchmarks/one_pass.py                                   # ours, MONAI
    python benchmarks/peer_environment.py DIR                       # once: an environment with grad-cam and TorchCAM
    DIR/bin/python benchmarks/one_pass.py                           # these as well

ResNet-50 at 512 pixels (random weights, which cost the same), one image, CPU time of one thread. The base is the bare
forward pass of the classifier under `inference_mode`: backbone, average pooling, linear layer. Ours is the network
that returns its map, then score and boxes as inference draws them. The others give the map alone, by the last stage:
`monai.visualize`, pytorch-grad-cam and TorchCAM as their documentations use them. In none of them are boxes included.

pytorch-grad-cam imports torchvision, of which it needs a few names that a map is made without; these are stubs here.
"""

from __future__ import annotations

import argparse
import sys
import types
from pathlib import Path
from typing import Any

import torch
from in_turns import RESULTS, Way, in_turns, rows, write
from monai.visualize import CAM, GradCAM
from torch import nn

from monai_tbkd.networks import ActivationMapNet, AverageMapPool
from monai_tbkd.transforms import MapToBoxes, MapToTBProbability, MapToTBScore

BASE = "bare forward pass"


class Classifier(nn.Module):
    """The same backbone with average pooling and a linear layer, as CAM libraries expect it."""

    def __init__(self, network: ActivationMapNet) -> None:
        super().__init__()
        self.fc = nn.Linear(network.head.in_channels, network.head.out_channels)
        with torch.no_grad():
            self.fc.weight.copy_(network.head.weight.flatten(1))
            self.fc.bias.copy_(network.head.bias)  # type: ignore[arg-type]
        self.backbone = network.backbone

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.fc(self.backbone.features(image)[-1].mean((-2, -1)))  # type: ignore[no-any-return]


def stub_torchvision() -> None:
    """The names that pytorch-grad-cam imports, where torchvision is not installed. A map calls none of them."""

    def absent(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("torchvision is not installed; this benchmark does without.")

    names = {"torchvision": (), "torchvision.transforms": ("Compose", "Normalize", "ToTensor"),
             "torchvision.transforms.functional": ("resize",), "torchvision.ops": ("box_iou",)}  # fmt: skip
    for name, attributes in names.items():
        module = sys.modules.setdefault(name, types.ModuleType(name))
        for attribute in attributes:
            setattr(module, attribute, absent)


def ways(size: int) -> dict[str, Way]:
    torch.manual_seed(0)
    network = ActivationMapNet("resnet50", num_classes=2).eval()
    classifier = Classifier(network).eval()
    image = torch.randn(1, 3, size, size)
    pooling = AverageMapPool()
    to_score, to_map = MapToTBScore(pooling), MapToTBProbability(32, (size, size))
    to_boxes = MapToBoxes((256, 256), threshold=0.5, mode="relative", score_threshold=0.0)

    def bare() -> torch.Tensor:
        with torch.inference_mode():
            return classifier(image)  # type: ignore[no-any-return]

    def ours() -> Any:
        with torch.no_grad():
            activation_map = network(image)[0]
        return to_score(activation_map), to_boxes(to_map(activation_map))

    target = "features.backbone.layer4"
    monai_cam, monai_grad = (kind(nn_module=classifier, target_layers=target, **more) for kind, more in (
        (CAM, {"fc_layers": "fc"}), (GradCAM, {})))  # fmt: skip
    found: dict[str, Way] = {
        BASE: bare,
        "ours: map, score and boxes": ours,
        "monai.visualize CAM": lambda: monai_cam(image),
        "monai.visualize GradCAM": lambda: monai_grad(image, class_idx=1),
    }
    found |= peers(network, image)
    with torch.no_grad():  # the base and ours decide alike
        torch.testing.assert_close(classifier(image), pooling(network(image)), atol=1e-3, rtol=1e-3)
    return found


def peers(network: ActivationMapNet, image: torch.Tensor) -> dict[str, Way]:
    found: dict[str, Way] = {}
    try:
        import pytorch_grad_cam as grad_cam
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError as error:
        print(f"pytorch-grad-cam is left out: {error}")
    else:
        for kind in ("GradCAM", "LayerCAM", "EigenCAM"):
            model = Classifier(network).eval()
            cam = getattr(grad_cam, kind)(model=model, target_layers=[model.backbone.layer4])
            found[f"pytorch-grad-cam {kind}"] = lambda cam=cam: cam(image, [ClassifierOutputTarget(1)])  # type: ignore[misc]
    try:
        import torchcam.methods as torchcam
    except ImportError as error:
        print(f"TorchCAM is left out: {error}")
    else:
        plain = Classifier(network).eval()
        extractor = torchcam.CAM(plain, "features.backbone.layer4", "fc")

        def cam_of_torchcam() -> Any:
            with torch.no_grad():
                return extractor(1, plain(image))

        found["TorchCAM CAM"] = cam_of_torchcam
        gradient_model = Classifier(network).eval()
        gradient = torchcam.GradCAM(gradient_model, "features.backbone.layer4")
        found["TorchCAM GradCAM"] = lambda: gradient(1, gradient_model(image.clone().requires_grad_()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--output", type=Path, default=RESULTS / "performance.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    stub_torchvision()
    made = rows(
        "one_pass", f"map extraction, ResNet-50, {args.size} pixels", in_turns(ways(args.size), args.pairs), BASE
    )
    write("one_pass", made, args.output)


if __name__ == "__main__":
    main()
