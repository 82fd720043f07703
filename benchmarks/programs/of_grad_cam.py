import sys

import numpy as np
import pydicom
import torch
from PIL import Image
from pydicom.pixels import apply_voi_lut
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from scipy import ndimage
from torchvision.models import resnet50

SIZE = 384
model = resnet50(num_classes=2).eval()
model.load_state_dict(torch.load("resnet50_tb.pt", weights_only=True))
cam = GradCAM(model=model, target_layers=[model.layer4[-1]])


def pixels_of(path):
    if path.endswith(".dcm"):
        data = pydicom.dcmread(path, force=True)
        pixels = apply_voi_lut(data.pixel_array, data).astype(np.float32)
        pixels = pixels.max() - pixels if data.PhotometricInterpretation == "MONOCHROME1" else pixels
    else:
        pixels = np.asarray(Image.open(path).convert("L"), dtype=np.float32)
    return 255 * (pixels - pixels.min()) / max(np.ptp(pixels), 1)


def boxes_of(path):
    pixels = pixels_of(path)
    height, width = pixels.shape
    gray = np.asarray(Image.fromarray(pixels.astype(np.uint8)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)) / 255
    image = (torch.tensor(gray, dtype=torch.float32).expand(1, 3, -1, -1) - 0.449) / 0.226
    heat = cam(image, [ClassifierOutputTarget(1)])[0]
    score = cam.outputs.softmax(1)[0, 1].item()
    labels, _ = ndimage.label(heat >= 0.5 * heat.max())
    scale = np.array([width, height, width, height]) / SIZE
    return score, [scale * [x.start, y.start, x.stop, y.stop] for y, x in ndimage.find_objects(labels)]


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(path, *boxes_of(path))
