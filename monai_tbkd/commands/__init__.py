"""The commands of ``python -m monai_tbkd``: ``run`` of one in each file, the options of all in ``arguments``."""
