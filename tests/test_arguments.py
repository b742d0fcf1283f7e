"""Every argument of a tool that makes something arrives in the body that is sent to MiniMax.

Between the two are the tool, its request and the module that makes the body; an argument that one
of them forgets would be dropped without an error.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import minimax_server
from minimax.api.client import Endpoint, MiniMaxClient
from minimax.api.json_body import JsonBody
from minimax.sandbox import Sandbox
from minimax.settings import Settings
from tests.support import samples
from tests.support.in_process import call, connected
from tests.support.media_seeds import clip

pytestmark = pytest.mark.anyio

TOOLS = {tool.name: tool for tool in minimax_server.toolbox.tools}
BODIES = {
    "text_to_image": "/v1/image_generation",
    "text_to_audio": "/v1/t2a_v2",
    "long_text_to_audio": "/v1/t2a_async_v2",
    "generate_video": "video_generation",
}
"""How the path of the request that is paid for ends."""
NOT_SENT = {"allow_second_charge", "dry_run", "output_directory"}
"""Arguments that are for this server alone."""
LEAST: Mapping[str, Mapping[str, Any]] = {
    "text_to_image": {"prompt": "a lake"},
    "text_to_audio": {"text": "Good morning."},
    "long_text_to_audio": {"text": "Good morning."},
    "generate_video": {"prompt": "a lake"},
}
"""What a call has at least."""
SPEECH: Mapping[str, Any] = {
    "text": "Good evening.",
    "voice_id": "English_expressive_narrator",
    "model": "speech-2.8-turbo",
    "speed": 1.5,
    "vol": 2.0,
    "pitch": 3,
    "emotion": "happy",
    "language_boost": "English",
    "pronunciation": ["omg/oh my god"],
    "effect": "robotic",
    "intensity": 10,
    "timbre": 10,
    "modify_pitch": 10,
    "format": "flac",
    "sample_rate": 16_000,
    "bitrate": 64_000,
    "channel": 2,
}
VALUES: Mapping[str, Mapping[str, Any]] = {
    "text_to_image": {
        "prompt": "a hill",
        "aspect_ratio": "16:9",
        "n": 2,
        "width": 1024,
        "height": 1024,
        "subject_image": "face.png",
        "seed": 7,
        "prompt_optimizer": True,
    },
    "text_to_audio": {
        **SPEECH,
        "voice_mix": ["English_Graceful_Lady:70", "English_expressive_narrator:30"],
        "subtitles": "word",
    },
    "long_text_to_audio": {
        **SPEECH,
        "channel": 1,
        "text_file": "chapter.txt",
        "english_normalization": True,
    },
    "generate_video": {
        "prompt": "a hill",
        "first_frame": "face.png",
        "last_frame": "face.png",
        "model": "MiniMax-Hailuo-02",
        "duration": 10,
        "resolution": "1080P",
        "subject_image": "face.png",
        "references": ["face.png"],
        "reference_videos": ["clip.mp4"],
        "reference_audios": ["sound.wav"],
        "ratio": "9:16",
        "prompt_optimizer": False,
        "fast_pretreatment": True,
    },
}
"""A value of each argument, other than its default; names of files are those of `put_files`."""
BESIDES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("text_to_image", "width"): {"width": 512, "height": 512},
    ("text_to_image", "height"): {"width": 512, "height": 512},
    ("long_text_to_audio", "text_file"): {"text": None},
    ("generate_video", "last_frame"): {"first_frame": "face.png"},
    ("generate_video", "ratio"): {"model": "MiniMax-H3"},
}
"""What an argument needs beside it, with or without which it is compared."""


def put_files(home: Path) -> None:
    samples.put(home / "face.png", samples.png())
    samples.put(home / "clip.mp4", clip())
    samples.put(home / "sound.wav", samples.wav(3))
    samples.put(home / "chapter.txt", b"Good night.")


def find_files(value: Any, home: Path) -> Any:
    """A value whose names of files are paths."""
    if isinstance(value, list):
        return [find_files(one, home) for one in value]
    return str(home / value) if isinstance(value, str) and (home / value).is_file() else value


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """The path and the JSON of each request that is sent."""
    sent: list[tuple[str, bytes]] = []
    send = MiniMaxClient._send

    async def record(
        self: MiniMaxClient, endpoint: Endpoint, host: str, content: Mapping[str, Any]
    ) -> Any:
        if "json" in content:
            pieces = [piece async for piece in aiter(JsonBody(content["json"]))]
            sent.append((endpoint.path, b"".join(pieces)))
        return await send(self, endpoint, host, content)

    monkeypatch.setattr(MiniMaxClient, "_send", record)
    return sent


@pytest.mark.parametrize("tool", BODIES)
def test_every_argument_of_a_tool_has_a_value_here(tool: str) -> None:
    arguments = set(TOOLS[tool].parameters["properties"])
    assert set(VALUES[tool]) == arguments - NOT_SENT


@pytest.mark.parametrize(
    ("tool", "argument"), [(tool, argument) for tool in BODIES for argument in VALUES[tool]]
)
async def test_an_argument_changes_the_body_that_is_sent(
    tool: str,
    argument: str,
    settings: Settings,
    sandbox: Sandbox,
    home: Path,
    bodies: list[tuple[str, bytes]],
) -> None:
    put_files(home)
    least = {**LEAST[tool], **BESIDES.get((tool, argument), {})}
    without = LEAST[tool] if argument == "text_file" else least
    async with connected(settings, sandbox) as client:
        for arguments in (without, {**least, argument: VALUES[tool][argument]}):
            found = {name: find_files(value, home) for name, value in arguments.items()}
            await call(client, tool, **found)
    before, after = (body for path, body in bodies if path.endswith(BODIES[tool]))
    assert before != after
