"""Images and data sets: readers, data lists, splits and their checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.data.files.processes import part_of_batches, process_batch_size
    from monai_tbkd.data.gate.frontal_gate import FrontalGate, GateVerdict
    from monai_tbkd.data.lists.balanced_sampler import balanced_sampler
    from monai_tbkd.data.lists.class_folders import load_class_folders
    from monai_tbkd.data.lists.content_store import ContentStore
    from monai_tbkd.data.lists.datalist import load_datalist, load_source
    from monai_tbkd.data.lists.datalist_error import DatalistError
    from monai_tbkd.data.lists.datalist_findings import check_datalist
    from monai_tbkd.data.lists.datalist_item import DatalistItem, datalist_item, evaluation_items, image_labels
    from monai_tbkd.data.lists.dataset_files import unlabeled_images
    from monai_tbkd.data.lists.image_classes import CLASS_NAMES, class_label, class_of
    from monai_tbkd.data.lists.image_shards import images_of_shard, shard_folder
    from monai_tbkd.data.lists.kaggle_csv import load_kaggle_csv
    from monai_tbkd.data.lists.manifest import Correction, load_manifest, write_corrections
    from monai_tbkd.data.lists.named_images import load_da_db, load_nlm
    from monai_tbkd.data.lists.pasted_copies import with_pasted_copies
    from monai_tbkd.data.lists.splits import split_by_name_hash
    from monai_tbkd.data.lists.tbx11k import load_tbx11k
    from monai_tbkd.data.lists.yolo import load_yolo
    from monai_tbkd.data.readers.cxr_reader import CXRReader, image_meta
    from monai_tbkd.data.readers.dicom_rules import ImageRules
    from monai_tbkd.data.readers.image_folder import list_images
    from monai_tbkd.data.readers.image_turn import ImageTurn
    from monai_tbkd.data.readers.radiograph_dataset import RadiographDataset
    from monai_tbkd.data.readers.reason_codes import ImageError, ImageWarning, ReasonCode

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
