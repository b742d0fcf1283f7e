"""The text-to-audio endpoint: validates every field, and returns the sample speech."""

import json
import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from minimax.sandbox.api_errors import INVISIBLE_CHARACTERS, Refusal, invalid_params
from minimax.sandbox.billing import Bill
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.endpoints.voices import Voices
from minimax.sandbox.media import samples
from minimax.sandbox.media.samples import Content, SpeechSample
from minimax.sandbox.signed_links import ObjectStore

# MiniMax API: POST /v1/t2a_v2.
MODELS: Final = (
    "speech-2.8-hd",
    "speech-2.8-turbo",
    "speech-2.6-hd",
    "speech-2.6-turbo",
    "speech-02-hd",
    "speech-02-turbo",
    "speech-01-hd",
    "speech-01-turbo",
)
MAX_TEXT_CHARACTERS: Final = 9_999
MAX_INVISIBLE_SHARE: Final = 0.1
USD_PER_CHARACTER: Final = {"hd": 100 / 1_000_000, "turbo": 60 / 1_000_000}

EMOTIONS: Final = (
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgusted",
    "surprised",
    "calm",
    "fluent",
    "whisper",
)
SAMPLE_RATES_HZ: Final = (8000, 16000, 22050, 24000, 32000, 44100)
BITRATES: Final = (32000, 64000, 128000, 256000)
CHANNELS: Final = (1, 2)
SOUND_EFFECTS: Final = ("spacious_echo", "auditorium_echo", "lofi_telephone", "robotic")
VOICE_MODIFY_FORMATS: Final = ("mp3", "wav", "flac")
MAX_TIMBRES: Final = 4

LANGUAGES: Final = (
    "Chinese", "Chinese,Yue", "English", "Arabic", "Russian", "Spanish", "French", "Portuguese",
    "German", "Turkish", "Dutch", "Ukrainian", "Vietnamese", "Indonesian", "Japanese", "Italian",
    "Korean", "Thai", "Polish", "Romanian", "Greek", "Czech", "Finnish", "Hindi", "Bulgarian",
    "Danish", "Hebrew", "Malay", "Persian", "Slovak", "Swedish", "Croatian", "Filipino",
    "Hungarian", "Norwegian", "Slovenian", "Catalan", "Nynorsk", "Tamil", "Afrikaans", "auto",
)  # fmt: skip
LANGUAGES_SINCE_2_6: Final = ("Persian", "Filipino", "Tamil")

SUBTITLE_TYPES: Final = ("sentence", "word")

_SENTENCES: Final = re.compile(r"[^.!?。！？]+[.!?。！？]*")  # noqa: RUF001 - Chinese punctuation
_WORDS: Final = re.compile(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+")
_VISIBLE_CONTROLS: Final = "\n\r\t"


class TextToAudio:
    """The text-to-audio endpoint."""

    def __init__(self, *, voices: Voices, bill: Bill, store: ObjectStore) -> None:
        self._voices = voices
        self._bill = bill
        self._store = store

    def synthesize(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/t2a_v2, without streaming."""
        params = Params(body)
        model, text = _read_model_and_text(params)
        sample = read_speech_sample(params, model)
        as_url = params.read_choice("output_format", ("hex", "url"), default="hex") == "url"
        voice_ids = _read_voice_ids(params)
        self._voices.use(voice_ids)
        self._charge(text, model=model, item_id=voice_ids[0])
        data = {"audio": self._encode_audio(sample, as_url=as_url), "status": 2}
        if params.read_flag("subtitle_enable"):
            by_word = params.read_choice("subtitle_type", SUBTITLE_TYPES) == "word"
            data["subtitle_file"] = self._add_subtitles(text, sample, by_word=by_word)
        return {"data": data, "extra_info": _describe_audio(sample, text)}

    def make_preview(self, text: str, *, model: str, voice_id: str) -> dict[str, Any]:
        """Make the preview of a new clone: billed at once, but not a use that keeps the voice."""
        self._charge(text, model=model, item_id=voice_id)
        sample = samples.load_speech()
        link = self._store.add(sample.content, name="demo.mp3")
        return {"demo_audio": link, "extra_info": _describe_audio(sample, text)}

    def _charge(self, text: str, *, model: str, item_id: str) -> None:
        self._bill.charge("speech", compute_price_usd(text, model=model), item_id=item_id)

    def _encode_audio(self, sample: SpeechSample, *, as_url: bool) -> Any:
        if not as_url:
            return sample.data.hex()
        return self._store.add(sample.content, name=f"speech.{sample.suffix}")

    def _add_subtitles(self, text: str, sample: SpeechSample, *, by_word: bool) -> Any:
        subtitles = time_sentences(text, sample.length_ms)
        for subtitle in subtitles:
            subtitle["timestamped_words"] = _time_words(subtitle) if by_word else None
        data = json.dumps(subtitles, ensure_ascii=False).encode()
        return self._store.add(Content("application/json", data=data), name="subtitles.json")


def count_characters(text: str) -> int:
    """Count the billed characters: a Chinese character counts twice, any other once."""
    return sum(2 if "\u4e00" <= char <= "\u9fff" else 1 for char in text)


def compute_price_usd(text: str, *, model: str) -> float:
    """Return the list price of saying `text`."""
    return count_characters(text) * USD_PER_CHARACTER[model.rsplit("-", 1)[-1]]


def read_model(params: Params) -> str:
    """Read the name of a speech model."""
    model = params.read_text("model", required=True)
    if model not in MODELS:
        raise invalid_params(f"method t2a-v2 not have model: {model}")
    return model


def check_language(params: Params, *, model: str = "") -> None:
    """Refuse a `language_boost` that the model does not support."""
    language = params.read_choice("language_boost", LANGUAGES)
    if language in LANGUAGES_SINCE_2_6 and model.startswith(("speech-01", "speech-02")):
        raise params.make_refusal("language_boost", f"{language} is not supported by {model}")


def _read_model_and_text(params: Params) -> tuple[str, str]:
    model = read_model(params)
    text = params.read_text("text", required=True, max_length=MAX_TEXT_CHARACTERS)
    check_visible(text)
    if params.read_flag("stream"):
        raise params.make_refusal("stream", "is not supported by the sandbox")
    check_language(params, model=model)
    params.read_choice("subtitle_type", SUBTITLE_TYPES)
    return model, text


def check_visible(text: str) -> None:
    """Refuse a text of which more than a tenth is invisible (1042)."""
    if _compute_invisible_share(text) > MAX_INVISIBLE_SHARE:
        raise Refusal(INVISIBLE_CHARACTERS)


def read_speech_sample(
    params: Params,
    model: str,
    *,
    rate_field: str = "sample_rate",
    rates_hz: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
    default_channels: int = 1,
) -> SpeechSample:
    """Check how a text is to be spoken, and return the sample in the requested format.

    `rates_hz` are the sample rates of the formats that do not have the usual ones.
    """
    _check_voice_setting(params.read_object("voice_setting"), model)
    audio = params.read_object("audio_setting")
    audio_format = audio.read_choice("format", samples.SPEECH_FORMATS, default="mp3")
    rates = rates_hz.get(audio_format, SAMPLE_RATES_HZ)
    rate_hz = _read_one_of(audio, rate_field, rates, default=32000)
    channels = _read_one_of(audio, "channel", CHANNELS, default=default_channels)
    _read_one_of(audio, "bitrate", BITRATES, default=128000)
    _check_voice_modify(params, audio_format)
    _check_pronunciations(params.read_object("pronunciation_dict"))
    return samples.load_speech(audio_format, sample_rate_hz=rate_hz, channels=channels)


def _check_voice_setting(voice: Params, model: str) -> None:
    voice.read_number("speed", low=0.5, high=2)
    if voice.read_number("vol", default=1.0, low=0, high=10) == 0:
        raise voice.make_refusal("vol", "must be greater than 0")
    voice.read_integer("pitch", low=-12, high=12)
    emotion = voice.read_choice("emotion", EMOTIONS)
    if emotion == "whisper" and model.startswith("speech-2.8"):
        raise voice.make_refusal("emotion", f"whisper is not supported by {model}")
    for name in ("text_normalization", "english_normalization"):
        voice.read_flag(name)
    voice.read_flag("latex_read")


def _check_voice_modify(params: Params, audio_format: str) -> None:
    modify = params.read_object("voice_modify")
    for name in ("pitch", "intensity", "timbre"):
        modify.read_integer(name, low=-100, high=100)
    modify.read_choice("sound_effects", SOUND_EFFECTS)
    if params.has("voice_modify") and audio_format not in VOICE_MODIFY_FORMATS:
        raise params.make_refusal("voice_modify", f"does not support {audio_format}")


def _check_pronunciations(dictionary: Params) -> None:
    for entry in dictionary.read_array("tone"):
        if not isinstance(entry, str) or "/" not in entry:
            raise dictionary.make_refusal("tone", "must hold entries like original/replacement")


def _read_voice_ids(params: Params) -> list[str]:
    timbres = params.read_objects("timbre_weights")
    if len(timbres) > MAX_TIMBRES:
        raise params.make_refusal("timbre_weights", f"must not hold more than {MAX_TIMBRES}")
    if not timbres:
        return [params.read_object("voice_setting").read_text("voice_id", required=True)]
    for timbre in timbres:
        timbre.read_integer("weight", required=True, low=1, high=100)
    return [timbre.read_text("voice_id", required=True) for timbre in timbres]


def _read_one_of(params: Params, name: str, choices: tuple[int, ...], *, default: int) -> int:
    value = params.read_integer(name, default=default)
    if value not in choices:
        raise params.make_refusal(name, f"must be one of {', '.join(map(str, choices))}")
    return value


def _compute_invisible_share(text: str) -> float:
    invisible = sum(
        unicodedata.category(char).startswith("C") and char not in _VISIBLE_CONTROLS
        for char in text
    )
    return invisible / len(text)


def _describe_audio(sample: SpeechSample, text: str) -> dict[str, Any]:
    return {
        "audio_length": sample.length_ms,
        "audio_sample_rate": sample.sample_rate_hz,
        "audio_size": len(sample.data),
        "bitrate": sample.bitrate,
        "audio_format": sample.audio_format,
        "audio_channel": sample.channels,
        "invisible_character_ratio": 0,
        "usage_characters": count_characters(text),
        "word_count": sum(not char.isspace() for char in text),
    }


def time_sentences(text: str, length_ms: int) -> list[dict[str, Any]]:
    """Split `text` into sentences, each with a share of the audio in proportion to its length."""
    sentences = [part for part in _SENTENCES.finditer(text) if part[0].strip()]
    spans = [_strip_span(part) for part in sentences] or [(0, len(text))]
    ms_per_character = length_ms / sum(end - begin for begin, end in spans)
    subtitles, time_begin = [], 0.0
    for begin, end in spans:
        time_end = time_begin + (end - begin) * ms_per_character
        subtitles.append(
            {
                "text": text[begin:end],
                "time_begin": round(time_begin),
                "time_end": round(time_end),
                "text_begin": begin,
                "text_end": end,
            }
        )
        time_begin = time_end
    return subtitles


def _strip_span(part: re.Match[str]) -> tuple[int, int]:
    begin = part.start() + len(part[0]) - len(part[0].lstrip())
    return begin, part.start() + len(part[0].rstrip())


def _time_words(subtitle: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each word of a subtitle, with a share of its time in proportion to its place."""
    text, begin = subtitle["text"], subtitle["time_begin"]
    ms_per_character = (subtitle["time_end"] - begin) / len(text)
    return [
        {
            "word": word[0],
            "time_begin": round(begin + word.start() * ms_per_character, 2),
            "time_end": round(begin + word.end() * ms_per_character, 2),
            "word_begin": subtitle["text_begin"] + word.start(),
            "word_end": subtitle["text_begin"] + word.end(),
        }
        for word in _WORDS.finditer(text)
    ]
