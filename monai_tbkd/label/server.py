"""What uvicorn serves: ``monailabel start_server ... --uvicorn_app monai_tbkd.label.server:app``."""

from __future__ import annotations

from monai_tbkd.label.stand_ins import stand_in_for_pydicom_seg

stand_in_for_pydicom_seg()

from monailabel.app import app  # noqa: E402

__all__ = ["app"]
