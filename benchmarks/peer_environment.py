"""An environment that has pytorch-grad-cam and TorchCAM beside this project's packages, for two of the benchmarks.

    python benchmarks/peer_environment.py DIR

Both are installed without what they depend on, since pytorch-grad-cam would bring torchvision and with it another
torch; what they do need to be imported is named here. Everything else comes from the environment that runs this.
"""

from __future__ import annotations

import argparse
import site
import subprocess
import venv
from pathlib import Path

PACKAGES = ("grad-cam==1.5.7", "torchcam==0.5.0", "ttach==0.0.3", "opencv-python-headless", "scikit-learn==1.9.1",
            "joblib", "threadpoolctl", "narwhals", "cloudpickle")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *PACKAGES], check=True)
    command = [python, "-c", "import site; print(site.getsitepackages()[0])"]
    packages = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    # addsitedir follows what is installed in editable form as well
    lines = "".join(f"import site; site.addsitedir({own!r})\n" for own in site.getsitepackages())
    (packages / "project.pth").write_text(lines)
    print(f"{python} benchmarks/one_pass.py")


if __name__ == "__main__":
    main()
