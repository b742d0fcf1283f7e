"""Results as the server gives them, for what a test scripts instead of bringing it about."""

import json
from pathlib import Path
from typing import Any, Final

import minimax_server

__all__ = [
    "downloading",
    "failed",
    "job_result",
    "place_video",
    "result_of",
    "status",
    "video",
    "video_files",
]


def result_of(data: dict[str, Any], **meta: Any) -> dict[str, Any]:
    text = {"type": "text", "text": json.dumps(data)}
    return {
        "content": [text],
        "structuredContent": data,
        "isError": False,
        "_meta": {"minimax/player": {"files": [], "images": True, **meta}},
    }


def failed(reason: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": reason}], "isError": True}


def job_result() -> dict[str, Any]:
    return result_of(
        {"task_id": "7", "status": "queued", "model": "MiniMax-H3", "resolution": "768P"}
    )


def status(word: str, *, files: Any = (), **more: Any) -> dict[str, Any]:
    data = {"task_id": "7", "status": word, "provider_status": word.title(), "file_id": "7"}
    return result_of({**data, "error": None, **more}, files=list(files))


def downloading() -> dict[str, Any]:
    return result_of({"file_id": "7", "status": "downloading", "path": None, "video_url": None})


SAMPLE: Final = Path(minimax_server.__file__).parent / "minimax" / "sandbox" / "media" / "video.mp4"


def place_video(folder: Path, *, padded_to: int = 0) -> Path:
    """A saved video, made longer by a box that players skip."""
    path = folder / "video-7.mp4"
    path.parent.mkdir(exist_ok=True)
    content = SAMPLE.read_bytes()
    if padded_to:
        content += (padded_to - len(content)).to_bytes(4, "big") + b"free"
    path.write_bytes(content)
    if padded_to:
        with path.open("r+b") as file:
            file.truncate(padded_to)
    return path


def video_files(path: Path | None = None) -> list[dict[str, Any]]:
    size = (path or SAMPLE).stat().st_size
    uri = "minimax://media/video-7.mp4"
    return [{"uri": uri, "name": "video-7.mp4", "mimeType": "video/mp4", "size": size}]


def video(path: Path, **meta: Any) -> dict[str, Any]:
    data = {"file_id": "7", "status": "saved", "path": str(path), "video_url": None}
    return result_of(data, files=video_files(path), **meta)
