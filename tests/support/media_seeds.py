"""The smallest files of each type that the checks take, as a start for mutations."""

import random
import struct

from tests.support import samples

MP3_FRAME = b"\xff\xfb\x90\x00" + bytes(413)
"""A silent frame of 128 kbit/s at 44.1 kHz."""
MP3_HERTZ, MP3_FRAME_SAMPLES = 44_100, 1152


def atom(name: bytes, *parts: bytes) -> bytes:
    """A box of an MP4."""
    data = b"".join(parts)
    return struct.pack(">I", 8 + len(data)) + name + data


def mp3(seconds: float = 1) -> bytes:
    """An empty tag, and silence."""
    frames = int(seconds * MP3_HERTZ / MP3_FRAME_SAMPLES)
    return b"ID3\x04\x00\x00\x00\x00\x00\x08" + bytes(8) + MP3_FRAME * frames


def m4a(seconds: int = 1, rest: bytes = b"") -> bytes:
    """The index of a recording, and `rest`."""
    mvhd = atom(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, seconds * 1000), bytes(80))
    esds = atom(b"esds", bytes(4), b"\x03\x19\x00\x00\x00\x04\x11\x40\x15", bytes(11))
    mp4a = atom(
        b"mp4a", bytes(6), b"\x00\x01", bytes(8), struct.pack(">HHII", 1, 16, 0, 8000 << 16), esds
    )
    stsd = atom(b"stsd", struct.pack(">II", 0, 1), mp4a)
    trak = atom(b"trak", atom(b"mdia", atom(b"minf", atom(b"stbl", stsd))))
    ftyp = atom(b"ftyp", b"M4A \x00\x00\x00\x00M4A ")
    return ftyp + atom(b"moov", mvhd, trak) + atom(b"mdat", bytes(1000)) + rest


def segment(marker: int, data: bytes) -> bytes:
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, 2 + len(data)) + data


def exif(rotation: int) -> bytes:
    """Exif data that says how the camera was held."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, rotation, 0)
    return b"Exif\x00\x00" + struct.pack(">2sHIH", b"MM", 42, 8, 1) + entry + bytes(4)


def jpeg(
    width: int = 400, height: int = 500, *, rotation: int = 1, before_size: bytes = b""
) -> bytes:
    """An image without content; `before_size` comes before the segment that holds its size."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    jfif = b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    head = b"\xff\xd8" + segment(0xE0, jfif) + segment(0xE1, exif(rotation))
    scan = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\x00\xff\xd9"
    return head + before_size + segment(0xC0, frame) + scan


def webp(width: int = 400, height: int = 500) -> bytes:
    """An image without content."""
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    data = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + sides + b"VP8 " + bytes(20)
    return b"RIFF" + struct.pack("<I", len(data)) + data


def clip(
    seconds: float = 3,
    *,
    rate: float = 24,
    width: int = 640,
    height: int = 360,
    brand: bytes = b"isom",
    codec: bytes = b"avc1",
    sound: bytes | None = b"mp4a",
    movie_seconds: float | None = None,
    rest: bytes = b"",
) -> bytes:
    """The index of a video, and `rest` after it; `movie_seconds` is what its header claims."""
    picture = bytes(16) + struct.pack(">HH", width, height) + bytes(50)
    tracks = [track(b"vide", codec, picture, seconds, samples=round(seconds * rate))]
    if sound is not None:
        tracks.append(track(b"soun", sound, bytes(20), seconds, samples=round(seconds * 43)))
    claimed = seconds if movie_seconds is None else movie_seconds
    mvhd = atom(b"mvhd", bytes(12), struct.pack(">II", 1000, round(claimed * 1000)), bytes(80))
    moov = atom(b"moov", mvhd, *tracks)
    return atom(b"ftyp", brand, bytes(4)) + moov + atom(b"mdat", bytes(1000)) + rest


def track(handler: bytes, codec: bytes, entry: bytes, seconds: float, *, samples: int) -> bytes:
    """One track of a video; 12,288 units a second, as ffmpeg writes them."""
    mdhd = atom(b"mdhd", bytes(12), struct.pack(">II", 12_288, round(seconds * 12_288)), bytes(4))
    hdlr = atom(b"hdlr", bytes(8), handler, bytes(13))
    stsd = atom(b"stsd", struct.pack(">II", 0, 1), atom(codec, bytes(6), b"\x00\x01", entry))
    stsz = atom(b"stsz", struct.pack(">III", 0, 1, samples))
    minf = atom(b"minf", atom(b"stbl", stsd, stsz))
    return atom(b"trak", atom(b"tkhd", bytes(84)), atom(b"mdia", mdhd, hdlr, minf))


SEEDS = {
    "wav": samples.wav(1),
    "mp3": mp3(),
    "m4a": m4a(),
    "jpeg": jpeg(),
    "png": samples.png(),
    "webp": webp(),
    "mp4": samples.mp4(),
    "clip-mp4": clip(),
    "clip-mov": clip(brand=b"qt  ", codec=b"hvc1"),
}

EXTREMES = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def mutate(seed: bytes, chance: random.Random) -> bytes:
    """A seed with one to eight things done to it, most of them near its beginning."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 8)):
        at = min(int(chance.expovariate(1 / 60)), len(data))
        match chance.randrange(6):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                number = chance.choice(EXTREMES)
                data[at : at + 4] = number.to_bytes(4, chance.choice(("big", "little")))
            case 2:
                del data[at : at + chance.randint(1, 40)]
            case 3:
                data[at:at] = data[at : at + chance.randint(1, 200)] * chance.randint(1, 20)
            case 4:
                data[at:at] = bytes([chance.choice((0, 0xFF))]) * chance.randint(1, 400)
            case _:
                del data[chance.randrange(len(data) + 1) :]
    return bytes(data)
