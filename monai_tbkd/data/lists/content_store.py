"""Keep what deterministic transforms make of images on disk, by the images' content."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from monai.data import PersistentDataset
from monai.transforms import Compose, RandomizableTrait

from monai_tbkd import __version__
from monai_tbkd.data.files.paths import content_sha256
from monai_tbkd.data.lists.pasted_copies import PASTE

logger = logging.getLogger(__name__)

_NOT_SETTINGS = ("R", "lazy", "tracing", "map_items", "unpack_items", "log_stats", "overrides")


class ContentStore(PersistentDataset):
    """A ``PersistentDataset`` whose files are named by the content of an image and by what is done to it.

    The same image in another folder, data set, fold or split is computed once. Labels, boxes and names are not kept:
    they come from the item each time.

    Args:
        data: items with ``image``, the path.
        transform: deterministic MONAI transforms, from ``{"image": path}`` to what is kept; a random one is refused.
        cache_dir: folder of the files; None keeps nothing on disk.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        transform: Callable[[Any], Any] | Sequence[Callable[[Any], Any]],
        cache_dir: str | Path | None = None,
    ) -> None:
        steps = Compose(transform).flatten()
        random = [type(t).__name__ for t in steps.transforms if isinstance(t, RandomizableTrait)]
        if random:
            raise ValueError(f"{', '.join(random)} may change an image each time; a store keeps what stays the same.")
        super().__init__(data, steps, cache_dir, hash_func=self._file_name)
        self._fingerprint = fingerprint(transform) if cache_dir is not None else ""

    def missing(self) -> list[int]:
        """Return indices of items that have no file yet; none without a folder."""
        if self.cache_dir is None:
            return []
        files = ((i, self._file_name(item).decode()) for i, item in enumerate(self.data))
        first = {name: i for i, name in reversed(list(files))}
        return sorted(i for name, i in first.items() if not (self.cache_dir / f"{name}.pt").is_file())

    def _cachecheck(self, item_transformed: Mapping[str, Any]) -> dict[str, Any]:
        own = {key: item_transformed[key] for key in ("image", PASTE) if key in item_transformed}
        try:
            return {**item_transformed, **super()._cachecheck(own)}
        except (RuntimeError, EOFError) as error:
            kept = None if self.cache_dir is None else self.cache_dir / f"{self._file_name(own).decode()}.pt"
            if kept is None or not kept.is_file():  # of a transform, not of a file that was half written
                raise
            logger.warning("%s is damaged (%s) and is made anew.", kept, type(error).__name__)
            kept.unlink(missing_ok=True)  # another process may have been first
            return {**item_transformed, **super()._cachecheck(own)}

    def _file_name(self, item: Mapping[str, Any]) -> bytes:
        paste = item.get(PASTE)
        pasted = f"{content_sha256(paste['image'])} {paste['seed']} {paste['inverted']} " if paste else ""
        name = f"{content_sha256(item['image'])} {pasted}{self._fingerprint} {__version__}"
        return hashlib.sha256(name.encode()).hexdigest()[:40].encode()


def fingerprint(part: Any) -> str:
    """Return the SHA-256 of a transform, a list of them or a module: its class, settings and content of its arrays.

    An object with a method ``fingerprint_of`` is known by what that returns.
    """
    digest = hashlib.sha256()
    _add(digest, part)
    return digest.hexdigest()


def _add(digest: Any, part: Any, depth: int = 0) -> None:
    if depth > 60:
        raise ValueError(f"A transform holds itself ({type(part).__name__}); it has no fingerprint.")
    if hasattr(part, "fingerprint_of"):
        digest.update(type(part).__qualname__.encode())
        _add(digest, part.fingerprint_of(), depth + 1)
    elif isinstance(part, torch.nn.Module):
        digest.update(type(part).__qualname__.encode())
        for name, value in (*_module_settings(part), *part.state_dict().items()):
            _add(digest, (name, value), depth + 1)
    elif isinstance(part, (np.ndarray, torch.Tensor)):
        array = np.ascontiguousarray(part.detach().cpu().numpy() if isinstance(part, torch.Tensor) else part)
        digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    elif part is None or isinstance(part, (str, bytes, bool, int, float, torch.dtype, torch.device)):
        digest.update(f"{type(part).__name__}:{part!r}\n".encode())
    elif isinstance(part, Mapping):
        for key, value in part.items():
            _add(digest, (str(key), value), depth + 1)
    elif isinstance(part, (list, tuple, set, frozenset)):
        digest.update(f"{len(part)}[".encode())
        for each in sorted(part, key=str) if isinstance(part, (set, frozenset)) else part:
            _add(digest, each, depth + 1)
    elif isinstance(part, type) or not hasattr(part, "__dict__"):
        digest.update(getattr(part, "__qualname__", type(part).__qualname__).encode())
    elif isinstance(part, FunctionType):
        code, inside = part.__code__, [cell.cell_contents for cell in part.__closure__ or ()]
        constants = [each for each in code.co_consts if not isinstance(each, CodeType)]
        _add(digest, (part.__qualname__, code.co_code, code.co_names, constants, inside), depth + 1)
    else:
        digest.update(type(part).__qualname__.encode())
        settings = {k: v for k, v in vars(part).items() if k.lstrip("_") not in _NOT_SETTINGS}
        for key in sorted(settings):
            _add(digest, (key, settings[key]), depth + 1)


def _module_settings(module: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    """Numbers and words of a module's parts, such as strides and dilations, beside their weights."""
    for name, part in module.named_modules():
        own = {k: v for k, v in vars(part).items() if k[0] != "_" and isinstance(v, (int, float, str, tuple))}
        yield name, (type(part).__qualname__, {k: own[k] for k in sorted(own) if k != "training"})
