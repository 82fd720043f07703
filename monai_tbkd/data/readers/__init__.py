"""One decoder a file format; `monai_tbkd.data.CXRReader` picks among them by content."""

from __future__ import annotations

from monai_tbkd.data.readers.decode import decode_film, film_size
from monai_tbkd.data.readers.decoded_film import DecodedFilm
from monai_tbkd.data.readers.film_limits import FilmLimits

__all__ = ["DecodedFilm", "FilmLimits", "decode_film", "film_size"]
