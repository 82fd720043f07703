"""Layouts of data sets, as options name them; importing them from ``data`` would import torch and MONAI."""

from __future__ import annotations

LAYOUTS = ("auto", "tbx11k", "manifest", "kaggle_csv", "yolo", "nlm", "da_db", "class_folders")
