"""One decoder a file format; `decode_film` chooses by content."""

from __future__ import annotations

from monai_tbkd.data.readers.decode import decode_film, film_size
from monai_tbkd.data.readers.decoded_film import DecodedFilm, FilmLimits

__all__ = ["DecodedFilm", "FilmLimits", "decode_film", "film_size"]
