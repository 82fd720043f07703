from __future__ import annotations

import logging
import threading
import warnings

import pytest

from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom


def test_it_lasts_as_long_as_any_thread_wants_it(caplog: pytest.LogCaptureFixture) -> None:
    """An image is fetched, and its header read, while another one is in work."""
    begun, other_ended = threading.Event(), threading.Event()

    def read() -> None:
        with quiet_pydicom():
            begun.set()
            other_ended.wait(10)
            logging.getLogger("pydicom").warning("a value of a patient")
            warnings.warn("a value of a patient", stacklevel=1)

    reader = threading.Thread(target=read)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with quiet_pydicom():
            reader.start()
            begun.wait(10)
        other_ended.set()
        reader.join()
        assert not caplog.records and not warned
        logging.getLogger("pydicom").warning("heard")
        warnings.warn("heard", stacklevel=1)
    assert caplog.messages == ["heard"] and len(warned) == 1
