"""The MONAI Label app: wires images, models, labels and training to MONAI Label's interfaces."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import requests
from fastapi import HTTPException
from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.utils.sessions import Sessions

from monai_tbkd import __version__
from monai_tbkd.label.app_folder import read_app_folder
from monai_tbkd.label.image_ids import is_safe_id
from monai_tbkd.label.image_pipeline import LABEL, ImagePipeline, TeacherPipeline
from monai_tbkd.label.image_signals import DISAGREEMENT, UNCERTAINTY, ImageSignals
from monai_tbkd.label.image_sources import FolderSource, PacsSource
from monai_tbkd.label.image_store import ImageStore
from monai_tbkd.label.infer_tasks import BoxesTask, ImageBatchInfer, ImageTask, MapTask, ScoreTask
from monai_tbkd.label.label_folder import LABELS_FOLDER, PACS_IMAGES, LabelFolder, mark_pacs_store
from monai_tbkd.label.server_conf import TOKEN_VARIABLE, read_conf
from monai_tbkd.label.strategies import BoxIoU, MostOf, RandomImage, SignalScoring
from monai_tbkd.label.trainers import StudentTraining
from monai_tbkd.transforms import NOTICE

logger = logging.getLogger(__name__)


class TuberculosisApp(MONAILabelApp):
    """The app that ``monailabel start_server`` finds through the ``main.py`` of the folder that ``label_app`` wrote."""

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self.folder = read_app_folder(app_dir)
        self.pipeline = ImagePipeline(self.folder)
        self.server_conf = read_conf(conf, studies)
        # What comes with requests, and logs, which name images, are this user's alone.
        self._uploads = _private(self.folder.root / "uploads")
        given = settings.MONAI_LABEL_SESSION_PATH.strip()
        self._kept = _private(Path(given, "tbkd_sessions") if given else self.folder.root / "sessions")
        _private(self.folder.root / "logs")
        tempfile.tempdir = str(self._uploads)
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name="Tuberculosis on chest X-rays",
            description=f"Boxes, map and score of tuberculosis ({NOTICE})",
            version=__version__,
            labels=[LABEL],
        )
        self._auto_update_scoring = self.server_conf.auto_scoring

    @cached_property
    def signals(self) -> ImageSignals:
        """Signals of the served model and of its teacher, where there is one that fits."""
        teacher = self.folder.teacher
        try:
            return ImageSignals(self.pipeline, TeacherPipeline(self.folder) if teacher.is_file() else None)
        except (ValueError, RuntimeError) as error:
            logger.warning("%s cannot be used, and so is left out: %s", teacher, error)
            return ImageSignals(self.pipeline)

    def init_datastore(self) -> ImageStore:
        seconds = self.server_conf.cache_seconds
        if not self.server_conf.pacs:
            root = Path(self.studies)
            labels = LabelFolder(root / LABELS_FOLDER)
            return ImageStore(FolderSource(root, labels.root, seconds), labels, root.name)
        address = self.studies.rstrip("/")
        given = settings.MONAI_LABEL_DICOMWEB_CACHE_PATH.strip()
        root = Path(given or self.folder.root / "pacs") / sha256(address.encode()).hexdigest()[:16]
        source = PacsSource(_dicomweb_client(address), root / PACS_IMAGES, self.server_conf.modalities, seconds)
        mark_pacs_store(root)
        return ImageStore(source, LabelFolder(root / LABELS_FOLDER), address, self.server_conf.sr)

    def init_infers(self) -> dict[str, ImageTask]:
        tasks = {"tb_boxes": BoxesTask, "tb_map": MapTask, "tb_score": ScoreTask}
        return {name: task(self.pipeline) for name, task in tasks.items()}

    def init_trainers(self) -> dict[str, StudentTraining]:
        return {"tb_student": StudentTraining(self.folder)}

    def init_strategies(self) -> dict[str, Any]:
        uncertain = "Uncertain score: nearest to the threshold that decides first"
        differ = "Teacher-student disagreement: maps that differ most first"
        signals, look_at = self.signals, self.server_conf.look_at
        strategies = {"random": RandomImage(), "uncertain_score": MostOf(UNCERTAINTY, uncertain, signals, look_at)}
        if signals.teacher is None:
            logger.info("%s: no teacher, so no strategy teacher_student_disagreement.", self.folder.teacher)
            return strategies
        return {**strategies, "teacher_student_disagreement": MostOf(DISAGREEMENT, differ, signals, look_at)}

    def init_scoring_methods(self) -> dict[str, Any]:
        return {"miou": BoxIoU(self.pipeline), "signals": SignalScoring(self.signals)}

    def init_batch_infer(self) -> ImageBatchInfer:
        return ImageBatchInfer()

    def names(self, kind: str) -> list[str]:
        """The names of ``infer``, ``train``, ``scoring`` or ``activelearning``."""
        kinds = {"infer": self._infers, "train": self._trainers, "scoring": self._scoring_methods}
        return list({**kinds, "activelearning": self._strategies}[kind])

    def _load_sessions(self, load: bool = False) -> Sessions:
        return Sessions(str(self._kept), settings.MONAI_LABEL_SESSION_EXPIRY)

    def remove_uploads(self) -> None:
        """Remove sessions, uploads and archives; of a server, at its start and its end."""
        for left in (*self._uploads.iterdir(), *self._kept.iterdir()):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)

    def infer(self, request: Mapping[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Locate tuberculosis on one image: an identifier, or a file that was uploaded with the request.

        Returns:
            ``file`` of the answer or None, and ``params``, the answer.
        """
        model, image = str(request.get("model")), str(request.get("image"))
        file, answer = self._infers[model]({**request, "image": self._image_path(image)})
        if request.get("save_label") and is_safe_id(image):
            try:
                self._keep(image, file, str(request.get("label_tag") or "original"), {"model": model, "params": answer})
            except BaseException:  # such as a full disk
                if file:
                    Path(file).unlink(missing_ok=True)
                raise
        return {"file": file, "params": answer}

    def _image_path(self, image: str) -> str:
        """The path of an image in the datastore by its identifier, or of an upload; nothing else is read."""
        found = ""
        if is_safe_id(image):
            found = self.datastore().get_image_uri(image)
        elif "\0" not in image:
            path = Path(os.path.realpath(image))
            inside = any(path.is_relative_to(os.path.realpath(each)) for each in (self._uploads, self._kept))
            found = str(path) if inside and path.exists() else ""
        if not found:
            raise HTTPException(404, "There is no such image; expected an identifier of the datastore, or an upload.")
        return found

    def _keep(self, image: str, file: str | None, tag: str, info: Mapping[str, Any]) -> None:
        """Keep what a model has found, and note it, so that an image without a label file is not without an answer."""
        if file:
            self.datastore().labels.save(image, Path(file), tag, info)
        answer, kept = info["params"], ("status", "reason", "image_score", "decision", "model_version")
        note = {key: answer[key] for key in kept if answer.get(key) is not None}
        self.datastore().update_image_info(image, {"finding": {**note, "n_boxes": len(answer.get("boxes", []))}})

    def _local_request(self, url: str, params: Any, action: str) -> Any:
        """Ask the server for a scoring from the training process, with the token."""
        token = os.environ.get(TOKEN_VARIABLE, "")
        answer = requests.post(
            f"http://127.0.0.1:{settings.MONAI_LABEL_SERVER_PORT}{url}",
            json=params or {},
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=60,
        )
        if answer.status_code != 200:
            logger.error("%s was not started: status %d", action, answer.status_code)
        return answer.json() if answer.status_code == 200 else None


def _private(folder: Path) -> Path:
    """A folder of this user alone."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _dicomweb_client(address: str) -> Any:
    from dicomweb_client.session_utils import create_session_from_user_pass
    from monailabel.datastore.dicom import DICOMwebClientX

    user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
    return DICOMwebClientX(
        url=address,
        session=create_session_from_user_pass(user, password) if user and password else None,
        qido_url_prefix=settings.MONAI_LABEL_QIDO_PREFIX,
        wado_url_prefix=settings.MONAI_LABEL_WADO_PREFIX,
        stow_url_prefix=settings.MONAI_LABEL_STOW_PREFIX,
    )
