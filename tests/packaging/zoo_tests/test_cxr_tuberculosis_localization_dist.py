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

import os
import shutil
import sys
import tempfile
import unittest

import torch
import torch.distributed as dist
from monai.bundle import ConfigWorkflow

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_cxr_tuberculosis_localization import BUNDLE, TEST_CASE_1, keep_whole_images  # noqa: E402


class TestTuberculosisLocalizationDist(unittest.TestCase):
    def setUp(self):
        # the folder is the first process's, and all are told its name
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend)
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        names = [tempfile.mkdtemp() if dist.get_rank() == 0 else None]
        dist.broadcast_object_list(names, src=0)
        self.folder = names[0]
        if dist.get_rank() == 0:
            keep_whole_images(self.folder)
        dist.barrier()

    def tearDown(self):
        if int(os.environ["RANK"]) == 0:
            shutil.rmtree(self.folder, ignore_errors=True)

    def test_train_multi_gpu(self):
        override = dict(TEST_CASE_1[0], dataset_dir=self.folder)
        override["ckpt_dir"] = os.path.join(self.folder, "models")
        override["output_dir"] = os.path.join(self.folder, "outputs")
        files = [os.path.join(BUNDLE, "configs", f"{name}.json") for name in ("train", "multi_gpu_train")]
        trainer = ConfigWorkflow(
            workflow_type="train",
            config_file=files,
            logging_file=os.path.join(BUNDLE, "configs", "logging.conf"),
            meta_file=os.path.join(BUNDLE, "configs", "metadata.json"),
            **override,
        )
        trainer.initialize()
        trainer.run()
        self.assertEqual(trainer.check_properties(), [])
        self.assertTrue(os.path.isfile(os.path.join(self.folder, "models", "model.pt")))
        dist.barrier()
        trainer.finalize()


if __name__ == "__main__":
    sys.path.insert(0, BUNDLE)
    unittest.main()
