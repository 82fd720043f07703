"""The commands of ``python -m monai_tbkd``, one a file, each with ``add_parser`` and ``run``."""
