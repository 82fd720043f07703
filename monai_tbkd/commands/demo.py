"""The ``demo`` command: a page to try the model on, on this machine alone."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from monai_tbkd.commands.quick_start import quick_and_quiet

# the browser itself keeps the page from asking anything of anybody else
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'self\' \'unsafe-inline\' \'unsafe-eval\' data: '
    "blob: ws://127.0.0.1:*\">"
)  # fmt: skip
_EVERY_SIZE = "400mb"


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    if importlib.util.find_spec("gradio") is None:
        raise ValueError("gradio is not installed; run pip install 'monai_tbkd[demo]'.")
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory(prefix="tbkd_demo_") as scratch, quick_and_quiet():
        os.environ["GRADIO_TEMP_DIR"] = scratch  # gone with the program
        import gradio

        theme = gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"])  # others are fetched
        page = _page(args.ckpt_dir)
        sys.stderr.write(f"The page is at http://127.0.0.1:{args.port}; Ctrl-C ends it.\n")
        page.launch(
            server_name="127.0.0.1", server_port=args.port, share=False, inbrowser=args.open, quiet=True,
            show_error=True, max_file_size=_EVERY_SIZE, ssr_mode=False, run_history=False, footer_links=[],
            enable_monitoring=False, theme=theme, head=_POLICY,
        )  # fmt: skip
    return 0


def _page(ckpt_dir: Path | None) -> Any:
    import gradio

    from monai_tbkd.commands.locate import line_of
    from monai_tbkd.inference import load_model
    from monai_tbkd.metrics.calibrated_threshold import BEFORE_USE
    from monai_tbkd.transforms import notice_of

    model = load_model(ckpt_dir)
    at_work = ThreadPoolExecutor(1, "demo")  # one image at a time, and one process that decodes
    notice, start = notice_of(model.version), round(100 * model.thresholds["score_threshold"], 1)

    def look(file: str | None, threshold: float) -> tuple[Any, str]:
        if file is None:
            return None, ""
        given = None if threshold == start else threshold / 100
        finding = at_work.submit(model.locate, file, given).result()
        return (finding.overlay() if finding.score is not None else None), line_of(finding.row)

    # uploads are removed after ten minutes at most
    with gradio.Blocks(
        title="Where tuberculosis is suggested", delete_cache=(60, 600), analytics_enabled=False
    ) as page:
        gradio.Markdown(f"## {notice[0].upper()}{notice[1:]}.\n{BEFORE_USE}\n\nModel: {model.version}")
        with gradio.Row():
            with gradio.Column():
                file = gradio.File(label="Image: PNG, JPEG, TIFF, DICOM, NIfTI and others", type="filepath")
                threshold = gradio.Slider(
                    0, 100, start, step=0.1, label=f"Threshold of the score ({start:g}: the model's own)"
                )
                words = gradio.Textbox(label="Score, decision and boxes (xmin ymin xmax ymax), or why not", lines=3)
            picture = gradio.Image(label="Map and boxes", format="png", buttons=["download", "fullscreen"], scale=2)
        for change in (file.change, threshold.release):
            change(look, [file, threshold], [picture, words], api_visibility="private")
    return page
