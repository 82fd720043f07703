# Copyright 2026 the monai_tbkd authors
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

import csv
import os
import shutil
import sys
import tempfile
import unittest

import numpy as np
from monai.bundle import ConfigWorkflow
from parameterized import parameterized
from PIL import Image

BUNDLE = os.path.abspath(os.path.join("models", "cxr_tuberculosis_localization"))
SIDE = 128

TEST_CASE_1 = [
    {
        "bundle_root": BUNDLE,
        "image_size": SIDE,
        "network_def::backbone": "resnet18",
        "network_def::width": 0.125,
        "weights": "random",
        "stride_in_1x1": False,
        "max_epochs": 2,
        "batch_size": 4,
        "num_workers": 0,
        "grid": 64,
        "select": 0.4,
        "bootstrap_resamples": 20,
        "overlays": 1,
        "progress_bar": False,
    }
]


def keep_whole_images(folder):
    """Noise in three classes; images with TB have a bright square, and the box of it in manifest.csv."""
    rng = np.random.default_rng(0)
    rows = []
    for split, count in (("train", 6), ("val", 4)):
        for label in ("health", "sick", "tb"):
            for number in range(count):
                image = rng.integers(0, 100, (SIDE, SIDE), dtype=np.uint8)
                box = []
                if label == "tb":
                    x, y = (int(v) for v in rng.integers(10, 70, 2))
                    image[y : y + 40, x : x + 40] += 100
                    box = [[x, y, x + 40, y + 40]]
                name = f"{split}_{label}_{number}.png"
                Image.fromarray(image).save(os.path.join(folder, name))
                rows.append([name, label, split, str(box)])
    with open(os.path.join(folder, "manifest.csv"), "w", newline="") as file:
        csv.writer(file).writerows([["image", "label", "split", "boxes"], *rows])


class TestTuberculosisLocalization(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        keep_whole_images(self.folder)

    def tearDown(self):
        shutil.rmtree(self.folder)

    def workflow(self, configs, workflow_type, override):
        files = [os.path.join(BUNDLE, "configs", f"{name}.json") for name in configs]
        return ConfigWorkflow(
            workflow_type=workflow_type,
            config_file=files,
            logging_file=os.path.join(BUNDLE, "configs", "logging.conf"),
            meta_file=os.path.join(BUNDLE, "configs", "metadata.json"),
            **override,
        )

    @parameterized.expand([TEST_CASE_1])
    def test_train_evaluate_infer(self, override):
        override = dict(override, dataset_dir=self.folder)
        override["ckpt_dir"] = os.path.join(self.folder, "models")
        override["output_dir"] = os.path.join(self.folder, "outputs")

        trainer = self.workflow(["train"], "train", override)
        trainer.initialize()
        trainer.run()
        self.assertEqual(trainer.check_properties(), [])
        trainer.finalize()

        evaluator = self.workflow(["train", "evaluate"], "train", override)
        evaluator.initialize()
        evaluator.run()
        self.assertEqual(evaluator.check_properties(), [])
        evaluator.finalize()
        self.assertTrue(os.path.isfile(os.path.join(self.folder, "outputs", "metrics.json")))

        known = ("bundle_root", "image_size", "network_def::backbone", "network_def::width", "stride_in_1x1")
        known += ("num_workers", "grid", "dataset_dir", "ckpt_dir", "progress_bar")
        override = {k: v for k, v in override.items() if k in known}
        override.update(output_dir=os.path.join(self.folder, "predictions"), check_frontal="off")
        inferrer = self.workflow(["inference"], "inference", override)
        inferrer.initialize()
        inferrer.run()
        self.assertEqual(inferrer.check_properties(), [])
        inferrer.finalize()
        with open(os.path.join(self.folder, "predictions", "predictions.csv"), newline="") as file:
            rows = [row for row in csv.DictReader(file) if not row["name"].startswith("outputs/")]
        self.assertEqual([row["status"] for row in rows], ["done"] * 30)


if __name__ == "__main__":
    sys.path.insert(0, BUNDLE)
    unittest.main()
