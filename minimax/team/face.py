"""The tools as a team sees them: no path on the server's disk is accepted, read or shown.

Made of the same functions and words as the tools of one person: files come as links, `data:` URIs,
file ids or uploads, and results go out as links, made again at every answer. Where a text speaks
of this computer, another stands here; a text that is not found is an error at the start.
"""

import asyncio
import functools
import hashlib
import inspect
import re
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from mcp_types import ToolAnnotations
from pydantic import Field
from pydantic.fields import FieldInfo
from typing_extensions import TypedDict

from minimax import runtime
from minimax.errors import InputError
from minimax.files.paths import strip_quotes
from minimax.protocol.question import Answered, ApplyAnswer, Ask, Form
from minimax.protocol.strict_tool import Toolbox, ToolSpec
from minimax.team.folder import MOST_UPLOAD_BYTES
from minimax.team.runtime import AccountRuntime
from minimax.team.store import UPLOAD_SECONDS
from minimax.tool_results import (
    ClonedVoice,
    DesignedVoice,
    GeneratedImages,
    ListedTask,
    LongAudioStatus,
    Speech,
    TaskList,
    VideoFile,
    VideoStatus,
)
from minimax.validation import is_http_url

__all__ = ["UploadSlot", "make_face", "present", "rephrase"]

HIDDEN: Final = frozenset({"output_directory"})
"""Arguments that mean something on one's own computer only."""
FILE_ARGUMENTS: Final = frozenset(
    {
        "audio",
        "first_frame",
        "last_frame",
        "prompt_audio",
        "reference_audios",
        "reference_videos",
        "references",
        "subject_image",
        "text_file",
    }
)
MOST_INPUT_BYTES: Final = 256 * 1024 * 1024
"""Of the files of one account on one replica, four of the largest; the oldest make room."""
KEPT_INPUT_SECONDS: Final = 3600
"""Uploads are kept on the replica for work that goes on after its call."""
_UPLOAD: Final = re.compile(r"upload-[0-9a-f]{32}")
_FILE_ID: Final = re.compile(r"[0-9]{9,19}")
_LINK: Final = "Works for an hour, without a key; asking again gives a fresh one."

LINKS: Final[Mapping[type, Mapping[str, str]]] = {
    VideoStatus: {"path": "video_url"},
    VideoFile: {"path": "video_url"},
    ListedTask: {"path": "video_url"},
    Speech: {"path": "audio_url", "subtitle_path": "subtitle_url"},
    LongAudioStatus: {"path": "audio_url", "subtitle_path": "subtitle_url"},
    ClonedVoice: {"demo_audio_path": "demo_audio_url"},
    DesignedVoice: {"preview_path": "preview_url"},
    GeneratedImages: {"paths": "image_urls"},
}
"""By result, what stands for a path there."""

EVERYWHERE: Final = (
    ("its path on this computer, an https URL, a data: URI", "an https URL, a data: URI"),
    ("or an earlier upload's file_id", "an upload_id, or an earlier upload's file_id"),
    (
        "its path on this computer, an https URL, or a data: URI",
        "an https URL, data: URI, upload_id",
    ),
    ("path, https URL or data: URI", "https URL, data: URI or upload_id"),
    ("paths, https URLs or data: URIs", "https URLs, data: URIs or upload_ids"),
)
_SAVED_WHERE: Final = """\
Saved in the folder MINIMAX_MCP_BASE_PATH (default ~/MiniMax); overwrites nothing, and downloads
nothing twice. A long download continues after the call (downloading): call again with the same
arguments. With MINIMAX_API_RESOURCE_MODE=url it gives a link that works for about an hour."""
_STORED_WHERE: Final = """\
A video that is not stored yet is stored first, which may continue after the call (downloading):
call again with the same arguments."""
_LONG_SAVED_WHERE: Final = """\
completed: path and subtitle_path (.srt) tell where it was saved, else audio_url is a link."""
_LONG_STORED_WHERE: Final = """\
completed: audio_url and subtitle_url (.srt) are links to it."""
WORDS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "voice_clone": (
        (
            "a file that was attached to the chat is not on this computer: ask where it is.",
            "send a file of the person's own with create_upload.",
        ),
        ("for more likeness; a path.", "for more likeness."),
    ),
    "query_video_generation": (
        (
            "completed (path: where the video was saved; if there is none,",
            "completed (video_url: its link; if there is none,",
        ),
    ),
    "retrieve_video_file": (
        (
            "Save a finished video on this computer and give its path; free, and repeatable.",
            "Give a fresh link to a finished video, which works for an hour; free, and repeatable.",
        ),
        (_SAVED_WHERE, _STORED_WHERE),
    ),
    "list_video_tasks": (
        ("bought from this computer", "bought by this account"),
        ("and the saved path", "and its link"),
    ),
    "long_text_to_audio": (
        ("Instead of text: path of a .txt", "Instead of text: upload_id of a text"),
    ),
    "query_long_audio": ((_LONG_SAVED_WHERE, _LONG_STORED_WHERE),),
    "text_to_audio": (("and save the audio; billed", "and give a link to it; billed"),),
    "voice_design": (("and save a preview of it", "and give a link to a preview of it"),),
    "text_to_image": (
        ("and save them; about", "and give links to them; about"),
        ("Their paths can be given", "The links can be given"),
    ),
    "account_status": (("what was spent from this computer", "what this account spent"),),
}
NOT_ON_DISK: Final = re.compile(
    r"this computer|\bpaths?\b|\bfolder|\bdisk\b|~/|MINIMAX_|output_directory|_path", re.IGNORECASE
)
"""What no text of the face may say."""


def rephrase(text: str, *replacements: tuple[str, str]) -> str:
    """The text with these phrases replaced, however its lines are broken.

    Raises:
        LookupError: One of them is not there: the words of the tools have changed.
    """
    for old, new in replacements:
        pattern = r"\s+".join(map(re.escape, old.split()))
        text, count = re.subn(pattern, lambda _, new=new: new, text)  # type: ignore[misc]
        if not count:
            raise LookupError(f"the text does not say {old!r} any more: {text}")
    return text


# --- tools -------------------------------------------------------------------------------------


def make_face(tools: Toolbox) -> Toolbox:
    """The tools of one person as those of a team, and one more by which files come in."""
    face = tools.make_empty()
    for spec in tools.specs:
        face.tool(
            title=spec.title,
            annotations=spec.annotations,
            ask=None if spec.ask is None else _ask_with_files(spec.ask),
            apply_answer=None
            if spec.apply_answer is None
            else _apply_with_files(spec.apply_answer),
        )(_face_of(spec))
    face.tool(
        title="Send a file",
        annotations=ToolAnnotations(
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=False,
            open_world_hint=True,
        ),
    )(create_upload)
    return face


def _face_of(spec: ToolSpec) -> Callable[..., Any]:
    """The function with other words, arguments and results."""
    name = spec.fn.__name__
    signature = inspect.signature(spec.fn, eval_str=True)
    result = signature.return_annotation
    phrases = list(WORDS.get(name, ()))

    @functools.wraps(spec.fn)
    async def face(**arguments: Any) -> Any:
        return await present(result, await spec.fn(**await _take_in(arguments)))

    parameters = [
        parameter.replace(annotation=_reword(parameter.annotation, phrases))
        for parameter in signature.parameters.values()
        if parameter.name not in HIDDEN
    ]
    face.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=_result_type(result)
    )
    face.__doc__ = rephrase(inspect.getdoc(spec.fn) or "", *phrases)
    return face


def _reword(annotation: Any, phrases: list[tuple[str, str]]) -> Any:
    """An argument with its description in other words; the phrases used are taken away."""
    if get_origin(annotation) is not Annotated:
        return annotation
    inner, *metadata = get_args(annotation)
    return Annotated[(inner, *(_reword_field(each, phrases) for each in metadata))]


def _reword_field(each: Any, phrases: list[tuple[str, str]]) -> Any:
    if not isinstance(each, FieldInfo) or each.description is None:
        return each
    text = each.description
    for old, new in [*EVERYWHERE, *phrases]:
        if old in text:
            text = text.replace(old, new)
            if (old, new) in phrases:
                phrases.remove((old, new))
    if text == each.description:
        return each
    reworded = Field(description=text)
    reworded.metadata = each.metadata
    return reworded


def _result_type(result: Any) -> Any:
    """A result type with links in the place of paths."""
    if result is TaskList:
        fields = get_type_hints(TaskList, include_extras=True)
        listed: Any = list.__class_getitem__(_result_type(ListedTask))
        tasks: Any = Annotated[listed, Field(description="Newest first.")]
        return TypedDict("TaskList", {**fields, "tasks": tasks})  # type: ignore[operator]
    if result not in LINKS:
        return result
    links, fields = LINKS[result], get_type_hints(result, include_extras=True)
    shown: dict[str, Any] = {}
    for name, of_type in fields.items():
        link = links.get(name)
        if link is None:
            shown.setdefault(name, of_type)
        else:
            kind = list[str] if name == "paths" else str | None
            shown[link] = Annotated[kind, Field(description=_LINK)]
    return TypedDict(result.__name__, shown)  # type: ignore[operator]


async def present(result_type: Any, result: Mapping[str, Any]) -> dict[str, Any]:
    """A result with fresh links in the place of paths."""
    shown = dict(result)
    if result_type is TaskList:
        shown["tasks"] = [await present(ListedTask, task) for task in result["tasks"]]
        return shown
    store = (await _current()).store
    for name, link in LINKS.get(result_type, {}).items():
        stored = shown.pop(name, None)
        if isinstance(stored, list):
            shown[link] = [store.link(each) for each in stored] or shown.get(link, [])
        else:
            shown[link] = shown.get(link) if stored is None else store.link(stored)
    return shown


async def _current() -> AccountRuntime:
    found = await runtime.current()
    assert isinstance(found, AccountRuntime)  # noqa: S101 - a team's server makes no other
    return found


# --- files that come in ------------------------------------------------------------------------


class UploadSlot(TypedDict):
    """Result of create_upload."""

    upload_id: Annotated[str, Field(description="Give this instead of a link.")]
    put_url: Annotated[str, Field(description="Send the file here with HTTP PUT.")]
    expires_in_seconds: int
    next_step: str


async def create_upload() -> UploadSlot:
    """Get a link to which the person's own recording, image, video or text can be sent; free.

    Send the file's bytes with HTTP PUT to put_url within 15 minutes, then give upload_id wherever
    a tool takes an https URL. A file that is already on the web does not need this.
    """
    here = await _current()
    number = secrets.token_hex(16)
    return UploadSlot(
        upload_id=f"upload-{number}",
        put_url=here.store.upload_link(_upload_name(here, number)),
        expires_in_seconds=UPLOAD_SECONDS,
        next_step=(
            "Send the file with HTTP PUT to put_url, for example: curl -T FILE 'put_url'. Then "
            "give upload_id to the tool that needs the file."
        ),
    )


def _upload_name(here: AccountRuntime, number: str) -> str:
    return f"{here.account}/uploads/{number}"


async def _take_in(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, with uploads and results of the account as files of this machine.

    Raises:
        InputError: One names a file in a way that is not taken here.
    """
    _refuse_null_characters(arguments)
    taken = dict(arguments)
    for name in FILE_ARGUMENTS & set(arguments):
        given = arguments[name]
        if isinstance(given, list):
            taken[name] = [await _take_in_file(name, each) for each in given]
        elif given:
            taken[name] = await _take_in_file(name, str(given))
    return taken


def _refuse_null_characters(arguments: Mapping[str, Any]) -> None:
    """PostgreSQL has no such texts, and MiniMax no such names."""
    for name, given in arguments.items():
        if isinstance(given, str) and "\0" in given:
            raise InputError(f"{name} has a null character in it. Nothing was sent to MiniMax.")


async def _take_in_file(field: str, given: str) -> str:
    text = strip_quotes(given)
    if _UPLOAD.fullmatch(text):
        here = await _current()
        name = _upload_name(here, text.removeprefix("upload-"))
        return await _fetch(here, field, name, "Nothing was sent to this upload_id yet.")
    if is_http_url(text):
        return await _take_in_link(field, text)
    if text[:5].lower() == "data:" or _FILE_ID.fullmatch(text):
        return text
    raise InputError(
        f"{field}: give an https URL, a data: URI, or an upload_id. Send a file of the person's "
        "own with create_upload. Nothing was sent to MiniMax."
    )


async def _take_in_link(field: str, link: str) -> str:
    """A link as it is; one of the account's own results as its file, since links end."""
    here = await _current()
    name = here.store.name_in(link)
    if name == "":
        raise InputError(f"{field}: this link leads to nothing. Nothing was sent to MiniMax.")
    if name is None or not name.startswith(f"{here.account}/"):
        return link
    await here.deliveries.note_use(name)
    return await _fetch(here, field, name, "This result is not in the store any more.")


async def _fetch(here: AccountRuntime, field: str, name: str, missing: str) -> str:
    [folder] = here.settings.input_paths
    found = await asyncio.to_thread(here.store.find, name)
    if found is None:
        raise InputError(f"{field}: {missing} Nothing was sent to MiniMax.")
    suffix = ".txt" if field == "text_file" else ""
    stem = hashlib.sha256(f"{found.version} {name}".encode()).hexdigest()[:32]
    file = folder / here.account / f"{stem}{suffix}"
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_room(file.parent, found.bytes)
        part = file.with_suffix(f".{secrets.token_hex(4)}")
        try:
            if not await here.store.fetch(name, part, most_bytes=MOST_UPLOAD_BYTES):
                raise InputError(f"{field}: {missing} Nothing was sent to MiniMax.")
            part.rename(file)
        finally:
            part.unlink(missing_ok=True)
    return str(file)


def _make_room(folder: Path, new_bytes: int) -> None:
    """Remove what is old, and the oldest while an account has too much."""
    kept = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)
    room_bytes = MOST_INPUT_BYTES - new_bytes - sum(file.stat().st_size for file in kept)
    for file in kept:
        is_old = file.stat().st_mtime < time.time() - KEPT_INPUT_SECONDS
        if is_old or room_bytes < 0:
            room_bytes += file.stat().st_size
            file.unlink(missing_ok=True)


def _ask_with_files(ask: Ask) -> Ask:
    async def ask_with_files(arguments: Mapping[str, Any]) -> Form | None:
        return await ask(await _take_in(arguments))

    return ask_with_files


def _apply_with_files(apply_answer: ApplyAnswer) -> ApplyAnswer:
    async def apply_with_files(answered: Answered, arguments: Mapping[str, Any]) -> None:
        await apply_answer(answered, await _take_in(arguments))

    return apply_with_files
