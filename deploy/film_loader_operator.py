"""Studies and series of a folder, by their headers alone."""

from __future__ import annotations

import logging
from pathlib import Path

from monai.deploy.core.domain.dicom_series import DICOMSeries
from monai.deploy.core.domain.dicom_study import DICOMStudy
from monai.deploy.operators import DICOMDataLoaderOperator

from monai_tbkd.data.readers.dicom_file import read_dicom_header

logger = logging.getLogger(__name__)


class FilmLoaderOperator(DICOMDataLoaderOperator):
    """The SDK's loader for films: no pixels, every instance, and no file that ends the app.

    The SDK's own keeps all pixels in memory, ends at a file that it cannot read, and leaves out instances of the same
    place in space. Here a file that is no DICOM object, or names no study and series, is in no study; what became of it
    is said by who has the list of files.

    Named output:
        dicom_study_list: the studies, with a header for each instance.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, must_load=False, **kwargs)  # a folder without any has its refusals to be told

    def _load_data(self, files: list[str]) -> list[DICOMStudy]:
        studies: dict[str, DICOMStudy] = {}
        series: dict[tuple[str, str], DICOMSeries] = {}
        for file in sorted(files):
            try:
                header = read_dicom_header(Path(file))
                uids = str(header.StudyInstanceUID), str(header.SeriesInstanceUID)
                if uids[0] not in studies:
                    study = DICOMStudy(uids[0])
                    self.populate_study_attributes(study, header)
                    studies[uids[0]] = study
                if uids not in series:
                    found = DICOMSeries(uids[1])
                    self.populate_series_attributes(found, header)
                    series[uids] = found
                    studies[uids[0]].add_series(found)
            except Exception as error:  # pydicom raises all sorts on damaged elements; the values may be a patient's
                logger.warning("%s is in no study: %s while its header was read", file, type(error).__name__)
                continue
            header.filename = file
            series[uids].add_sop_instance(header)
        return list(studies.values())
