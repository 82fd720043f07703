"""A trained network as a file for other runtimes, and those runtimes in place of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.backends.agreement import Agreement, agreement
    from monai_tbkd.backends.exported_net import ExportedNet
    from monai_tbkd.backends.runtime import BACKENDS, exported_record, input_channels, runtime_network, runtime_version
    from monai_tbkd.backends.write_network import FORMATS, ImageInputNet, export_network

__all__ = [
    "BACKENDS",
    "FORMATS",
    "Agreement",
    "ExportedNet",
    "ImageInputNet",
    "agreement",
    "export_network",
    "exported_record",
    "input_channels",
    "runtime_network",
    "runtime_version",
]

names_on_demand(__name__)
