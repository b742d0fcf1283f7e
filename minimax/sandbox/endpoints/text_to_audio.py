"""Text to audio: every rule of the request is checked, and the sandbox's voice answers."""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from minimax.sandbox.api_errors import INVISIBLE_CHARACTERS, Refusal, invalid_params
from minimax.sandbox.billing import Bill
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.endpoints.voices import Voices
from minimax.sandbox.media import samples
from minimax.sandbox.media.samples import Content, SpeechSample
from minimax.sandbox.signed_links import ObjectStore

# minimax-api: POST /v1/t2a_v2.
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
LARGEST_TEXT_CHARACTERS: Final = 9_999
LARGEST_INVISIBLE_SHARE: Final = 0.1
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
MODIFIED_FORMATS: Final = ("mp3", "wav", "flac")
MOST_TIMBRES: Final = 4

LANGUAGES: Final = (
    "Chinese", "Chinese,Yue", "English", "Arabic", "Russian", "Spanish", "French", "Portuguese",
    "German", "Turkish", "Dutch", "Ukrainian", "Vietnamese", "Indonesian", "Japanese", "Italian",
    "Korean", "Thai", "Polish", "Romanian", "Greek", "Czech", "Finnish", "Hindi", "Bulgarian",
    "Danish", "Hebrew", "Malay", "Persian", "Slovak", "Swedish", "Croatian", "Filipino",
    "Hungarian", "Norwegian", "Slovenian", "Catalan", "Nynorsk", "Tamil", "Afrikaans", "auto",
)  # fmt: skip
LANGUAGES_SINCE_2_6: Final = ("Persian", "Filipino", "Tamil")

_SENTENCES: Final = re.compile(r"[^.!?。！？]+[.!?。！？]*")  # noqa: RUF001 - Chinese punctuation
_VISIBLE_CONTROLS: Final = "\n\r\t"


class Speech:
    """The text-to-audio endpoint."""

    def __init__(self, *, voices: Voices, bill: Bill, store: ObjectStore) -> None:
        self._voices = voices
        self._bill = bill
        self._store = store

    def synthesize(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/t2a_v2, without streaming."""
        params = Params(body)
        model, text = _checked_words(params)
        sound = _checked_sound(params, model)
        as_url = params.read_choice("output_format", ("hex", "url"), default="hex") == "url"
        voice_ids = _checked_voice_ids(params)
        self._voices.use(voice_ids)
        self._charge(text, model=model, item_id=voice_ids[0])
        data = {"audio": self._audio(sound, as_url=as_url), "status": 2}
        if params.read_flag("subtitle_enable"):
            data["subtitle_file"] = self._subtitles(text, sound)
        return {"data": data, "extra_info": _facts(sound, text)}

    def preview(self, text: str, *, model: str, voice_id: str) -> dict[str, Any]:
        """The demo of a new clone: billed at once, and no use that keeps the voice."""
        self._charge(text, model=model, item_id=voice_id)
        sound = samples.load_speech()
        link = self._store.add(sound.content, name="demo.mp3")
        facts = _facts(sound, text)
        return {"demo_audio": link, "extra_info": facts}

    def _charge(self, text: str, *, model: str, item_id: str) -> None:
        price_usd = USD_PER_CHARACTER[model.rsplit("-", 1)[-1]]
        self._bill.charge("speech", billed_characters(text) * price_usd, item_id=item_id)

    def _audio(self, sound: SpeechSample, *, as_url: bool) -> Any:
        if not as_url:
            return sound.data.hex()
        return self._store.add(sound.content, name=f"speech.{sound.suffix}")

    def _subtitles(self, text: str, sound: SpeechSample) -> Any:
        data = json.dumps(_timed(text, sound.length_ms), ensure_ascii=False).encode()
        return self._store.add(Content("application/json", data=data), name="subtitles.json")


def billed_characters(text: str) -> int:
    """A Chinese character counts twice, anything else once."""
    return sum(2 if "\u4e00" <= char <= "\u9fff" else 1 for char in text)


def check_model(model: str) -> str:
    """Refuse a model that does not speak."""
    if model not in MODELS:
        raise invalid_params(f"method t2a-v2 not have model: {model}")
    return model


def check_language(params: Params, *, model: str = "") -> None:
    """`language_boost` by the list of the model's generation."""
    language = params.read_choice("language_boost", LANGUAGES)
    if language in LANGUAGES_SINCE_2_6 and model.startswith(("speech-01", "speech-02")):
        raise params.make_refusal("language_boost", f"{language} is not supported by {model}")


def _checked_words(params: Params) -> tuple[str, str]:
    model = check_model(params.read_text("model", required=True))
    text = params.read_text("text", required=True, max_length=LARGEST_TEXT_CHARACTERS)
    if params.read_flag("stream"):
        raise params.make_refusal("stream", "is not supported by the sandbox")
    check_language(params, model=model)
    params.read_choice("subtitle_type", ("sentence", "word"))
    if _invisible_share(text) > LARGEST_INVISIBLE_SHARE:
        raise Refusal(INVISIBLE_CHARACTERS)
    return model, text


def _checked_sound(params: Params, model: str) -> SpeechSample:
    _check_voice_setting(params.read_object("voice_setting"), model)
    audio = params.read_object("audio_setting")
    audio_format = audio.read_choice("format", samples.SPEECH_FORMATS, default="mp3")
    rate_hz = _one_of(audio, "sample_rate", SAMPLE_RATES_HZ, default=32000)
    channels = _one_of(audio, "channel", CHANNELS, default=1)
    _one_of(audio, "bitrate", BITRATES, default=128000)
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
    voice.read_flag("text_normalization")
    voice.read_flag("latex_read")


def _check_voice_modify(params: Params, audio_format: str) -> None:
    modify = params.read_object("voice_modify")
    for name in ("pitch", "intensity", "timbre"):
        modify.read_integer(name, low=-100, high=100)
    modify.read_choice("sound_effects", SOUND_EFFECTS)
    if params.has("voice_modify") and audio_format not in MODIFIED_FORMATS:
        raise params.make_refusal("voice_modify", f"does not support {audio_format}")


def _check_pronunciations(dictionary: Params) -> None:
    for entry in dictionary.read_array("tone"):
        if not isinstance(entry, str) or "/" not in entry:
            raise dictionary.make_refusal("tone", "must hold entries like original/replacement")


def _checked_voice_ids(params: Params) -> list[str]:
    timbres = params.read_objects("timbre_weights")
    if len(timbres) > MOST_TIMBRES:
        raise params.make_refusal("timbre_weights", f"must not hold more than {MOST_TIMBRES}")
    if not timbres:
        return [params.read_object("voice_setting").read_text("voice_id", required=True)]
    for timbre in timbres:
        timbre.read_integer("weight", required=True, low=1, high=100)
    return [timbre.read_text("voice_id", required=True) for timbre in timbres]


def _one_of(params: Params, name: str, choices: tuple[int, ...], *, default: int) -> int:
    value = params.read_integer(name, default=default)
    if value not in choices:
        raise params.make_refusal(name, f"must be one of {', '.join(map(str, choices))}")
    return value


def _invisible_share(text: str) -> float:
    hidden = sum(
        unicodedata.category(char).startswith("C") and char not in _VISIBLE_CONTROLS
        for char in text
    )
    return hidden / len(text)


def _facts(sound: SpeechSample, text: str) -> dict[str, Any]:
    return {
        "audio_length": sound.length_ms,
        "audio_sample_rate": sound.sample_rate_hz,
        "audio_size": len(sound.data),
        "bitrate": sound.bitrate,
        "audio_format": sound.audio_format,
        "audio_channel": sound.channels,
        "invisible_character_ratio": 0,
        "usage_characters": billed_characters(text),
        "word_count": sum(not char.isspace() for char in text),
    }


def _timed(text: str, length_ms: int) -> list[dict[str, Any]]:
    """The sentences of `text`, each with its share of the audio."""
    sentences = [part.strip() for part in _SENTENCES.findall(text) if part.strip()] or [text]
    ms_per_character = length_ms / sum(map(len, sentences))
    timed, begin = [], 0.0
    for sentence in sentences:
        end = begin + len(sentence) * ms_per_character
        timed.append({"text": sentence, "time_begin": round(begin), "time_end": round(end)})
        begin = end
    return timed
