"""The asynchronous text-to-audio endpoints: tasks that speak long texts.

A finished task has one file, a tar archive of the sound, its subtitles and facts about it. MiniMax
does not document that; public programs that unpack it do.
"""

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from minimax.sandbox.api_errors import (
    OUTPUT_SENSITIVE,
    invalid_params,
    make_base_resp,
)
from minimax.sandbox.billing import Bill
from minimax.sandbox.bounded import BoundedDict
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.clock import Clock
from minimax.sandbox.endpoints.files import Files
from minimax.sandbox.endpoints.text_to_audio import (
    check_language,
    check_visible,
    compute_price_usd,
    count_characters,
    read_model,
    read_speech_sample,
    time_sentences,
)
from minimax.sandbox.endpoints.voices import Voices
from minimax.sandbox.ids import IdGenerator
from minimax.sandbox.media.samples import Content, SpeechSample
from minimax.sandbox.scenarios import BLOCK_OUTPUT_MARK, FAIL_MARK, VideoStages, moderate_prompt
from minimax.sandbox.signed_links import ObjectStore

# MiniMax API: POST /v1/t2a_async_v2.
MAX_TEXT_CHARACTERS: Final = 50_000
MAX_FILE_CHARACTERS: Final = 999_999
RATES_HZ: Final = {"opus": (8000, 12000, 16000, 24000, 48000)}
INPUT_PURPOSE: Final = "t2a_async_input"
KEPT_SECONDS: Final = 32_400.0
"""MiniMax API: a download link is valid for 9 hours, and the content is lost after that."""


@dataclass
class SpeechTask:
    """An accepted request; `file_id` is told at once, and the file is there when it has ended."""

    id: str
    model: str
    text: str
    created_at: float
    file_id: int
    sample: SpeechSample


class LongSpeeches(BoundedDict[str, SpeechTask]):
    """The account's tasks by task id."""

    def __init__(
        self,
        *,
        clock: Clock,
        ids: IdGenerator,
        bill: Bill,
        files: Files,
        store: ObjectStore,
        voices: Voices,
        stages: VideoStages,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._ids = ids
        self._bill = bill
        self._files = files
        self._store = store
        self._voices = voices
        self._stages = stages

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/t2a_async_v2."""
        params = Params(body)
        model = read_model(params)
        sample = read_speech_sample(
            params, model, rate_field="audio_sample_rate", rates_hz=RATES_HZ, default_channels=2
        )
        check_language(params, model=model)
        voice_id = params.read_object("voice_setting").read_text("voice_id", required=True)
        text = self._read_text(params)
        check_visible(text)
        moderate_prompt(text)
        self._voices.use([voice_id])
        task_id, file_id = str(self._ids.new_speech_id()), self._ids.new_file_id()
        task = SpeechTask(task_id, model, text, self._clock.now(), file_id, sample)
        self[task.id] = task
        price_usd = compute_price_usd(text, model=model)
        self._bill.charge("long_speech", price_usd, item_id=task.id)
        return {
            "task_id": task.id,
            "task_token": f"token-{task.id}",
            "file_id": task.file_id,
            "usage_characters": count_characters(text),
        }

    def query(self, query: Mapping[str, str]) -> dict[str, Any]:
        """GET /v1/query/t2a_async_query_v2."""
        task_id = query.get("task_id", "")
        if not task_id.isdecimal():
            raise invalid_params("task_id is required and must be an integer")
        if task_id not in self:
            raise invalid_params("task not found")
        task = self[task_id]
        status = self.get_status(task)
        if status == "Success":
            self._add_file(task)
        blocked = status == "Failed" and BLOCK_OUTPUT_MARK in task.text
        return {
            "task_id": int(task.id),
            "status": status,
            "file_id": task.file_id,
            "base_resp": make_base_resp(OUTPUT_SENSITIVE if blocked else 0),
        }

    def get_status(self, task: SpeechTask) -> str:
        """Return MiniMax's name of the task's current state."""
        now = self._clock.now()
        if now - task.created_at < self._stages.total_seconds:
            return "Processing"
        if BLOCK_OUTPUT_MARK in task.text or FAIL_MARK in task.text:
            return "Failed"
        return "Expired" if now >= self._compute_end(task) else "Success"

    def _compute_end(self, task: SpeechTask) -> float:
        return task.created_at + self._stages.total_seconds + KEPT_SECONDS

    def _read_text(self, params: Params) -> str:
        if params.has("text_file_id"):
            return self._read_text_file(params.read_integer("text_file_id"))
        return params.read_text("text", required=True, max_length=MAX_TEXT_CHARACTERS)

    def _read_text_file(self, file_id: int) -> str:
        upload = self._files.find(file_id, purpose=INPUT_PURPOSE)
        if upload.suffix != ".txt":
            raise invalid_params(f"the sandbox does not support {upload.suffix} files")
        try:
            with upload.open() as file:
                text = file.read().decode()
        except UnicodeDecodeError:
            raise invalid_params("check file error") from None
        if not text.strip() or len(text) > MAX_FILE_CHARACTERS:
            raise invalid_params("text_file_id must have from 1 to 999999 characters")
        return text

    def _add_file(self, task: SpeechTask) -> None:
        if task.file_id in self._files:
            return
        content = Content("application/x-tar", data=_make_archive(task))
        name = f"{task.file_id}_with_meta.tar"
        link = self._store.add(content, name=name, link_seconds=KEPT_SECONDS)
        self._files.add_speech(task.file_id, link, content, kept=self._compute_end(task))


def _make_archive(task: SpeechTask) -> bytes:
    sample = task.sample
    facts = {
        "audio_length": sample.length_ms,
        "audio_sample_rate": sample.sample_rate_hz,
        "audio_size": len(sample.data),
        "bitrate": sample.bitrate,
        "word_count": sum(not char.isspace() for char in task.text),
    }
    subtitles = [
        {**item, "pronounce_text": item["text"]}
        for item in time_sentences(task.text, sample.length_ms)
    ]
    members = {
        sample.suffix: sample.data,
        "titles": json.dumps(subtitles, ensure_ascii=False).encode(),
        "extra": json.dumps(facts).encode(),
    }
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for suffix, data in members.items():
            info = tarfile.TarInfo(f"{task.file_id}/content-{task.file_id}.{suffix}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()
