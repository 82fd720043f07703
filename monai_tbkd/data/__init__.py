"""Images and data sets: readers, data lists, splits and their checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.data.balanced_sampler import balanced_sampler
    from monai_tbkd.data.class_folders import load_class_folders
    from monai_tbkd.data.content_store import ContentStore
    from monai_tbkd.data.cxr_reader import CXRReader, image_meta
    from monai_tbkd.data.datalist import load_datalist, load_source
    from monai_tbkd.data.datalist_error import DatalistError
    from monai_tbkd.data.datalist_findings import check_datalist
    from monai_tbkd.data.datalist_item import DatalistItem, datalist_item, evaluation_items, image_labels
    from monai_tbkd.data.dataset_files import unlabeled_images
    from monai_tbkd.data.frontal_gate import FrontalGate, GateVerdict
    from monai_tbkd.data.image_classes import CLASS_NAMES, class_label, class_of
    from monai_tbkd.data.image_folder import list_images
    from monai_tbkd.data.image_origin import image_origins
    from monai_tbkd.data.image_rules import ImageRules
    from monai_tbkd.data.image_shards import images_of_shard, shard_folder
    from monai_tbkd.data.image_turn import ImageTurn
    from monai_tbkd.data.image_warnings import ImageWarning
    from monai_tbkd.data.kaggle_csv import load_kaggle_csv
    from monai_tbkd.data.manifest import Correction, load_manifest, write_corrections
    from monai_tbkd.data.named_images import load_da_db, load_nlm
    from monai_tbkd.data.pasted_copies import with_pasted_copies
    from monai_tbkd.data.processes import part_of_batches, process_batch_size
    from monai_tbkd.data.radiograph_dataset import RadiographDataset
    from monai_tbkd.data.reason_codes import ImageError, ReasonCode
    from monai_tbkd.data.splits import split_by_name_hash
    from monai_tbkd.data.tbx11k import load_tbx11k
    from monai_tbkd.data.yolo import load_yolo

__all__ = [
    "CLASS_NAMES",
    "CXRReader",
    "ContentStore",
    "Correction",
    "DatalistError",
    "DatalistItem",
    "FrontalGate",
    "GateVerdict",
    "ImageError",
    "ImageRules",
    "ImageTurn",
    "ImageWarning",
    "RadiographDataset",
    "ReasonCode",
    "balanced_sampler",
    "check_datalist",
    "class_label",
    "class_of",
    "datalist_item",
    "evaluation_items",
    "image_labels",
    "image_meta",
    "image_origins",
    "images_of_shard",
    "list_images",
    "load_class_folders",
    "load_da_db",
    "load_datalist",
    "load_kaggle_csv",
    "load_manifest",
    "load_nlm",
    "load_source",
    "load_tbx11k",
    "load_yolo",
    "part_of_batches",
    "process_batch_size",
    "shard_folder",
    "split_by_name_hash",
    "unlabeled_images",
    "with_pasted_copies",
    "write_corrections",
]

names_on_demand(__name__)
