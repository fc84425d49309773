"""Vietnamese text that went through the wrong character set on its way, and comes back: UTF-8 twice over, and TCVN3.

Pure functions over text. What could as well be meant as it stands is left as it stands.
"""

import re
import unicodedata

TIMES = 3  # text goes through the wrong set twice at most, in what has been seen
# TCVN 5712:1993 VN3 ("ABC", the .VnTime fonts): one byte a letter from A1 on; the gaps are no letters.
_TCVN3 = (
    "ĂÂÊÔƠƯĐăâêôơưđ\0\0\0\0\0\0àảãáạ\0ằẳẵắ\0\0\0\0\0\0\0ặầẩẫấậè\0ẻẽéẹềểễếệìỉ\0\0\0ĩíịò\0ỏõóọồổỗốộờởỡớợù\0ủũúụừửữứựỳỷỹýỵ"
)
TCVN3 = {0xA1 + place: letter for place, letter in enumerate(_TCVN3) if letter != "\0"}
VIETNAMESE = re.compile("[\u1ea0-\u1ef9]")  # letters with both a shape and a tone: in no other language
TONES = "\u0300\u0301\u0303\u0309\u0323"
_WORD = re.compile(r"[^\W\d_]+")
# What of Latin-1 stands in no word: a sign between letters, or a capital behind a small letter.
_SIGN = "[\u00a1-\u00bf\u00d7\u00f7]"
_GARBLED = re.compile(f"[A-Za-z\u00c0-\u00ff]{_SIGN}|{_SIGN}[A-Za-z]|[a-z][\u00c0-\u00de]")
_ONSET = "(?:ngh?|nh|gh|gi|kh|ph|th|tr|ch|qu|[bcdđghklmnpqrstvx])?"
# Where the tone stands: before T. A glide at the end of a syllable bears none.
_OPEN = (
    "(?:[aeêioôơuưy]T|o[ae]T|oT[ae]|u[yêơ]T|uTy|[iưu]Ta|uyTa|aT[iouy]|âT[uy]|eTo|êTu|iTu|[oôơ]Ti|[uư]Ti|ưTu|oaT[iy]|oeTo|"
    "uâTy|uôTi|uyTu|iêTu|yêTu|ươT[iu])"
)
_CLOSED = "(?:[aăâeêioôơuưy]T|o[aăe]T|oT[ae]|u[yêâ]T|uyêT|iêT|yêT|uôT|ươT)(?:ch|ng|nh|[cmnpt])"
_SYLLABLE = re.compile(f"{_ONSET}(?:{_OPEN}|{_CLOSED})")


def meant(text: str) -> str:
    """The text before it was garbled; any other as it is. Harmless to repeat."""
    if text.isascii():
        return text
    for _ in range(TIMES):
        before = _encoded_once_less(text)
        if before == text:
            break
        text = before
    return _from_tcvn3(text)


def is_vietnamese(text: str) -> bool:
    """Whether every word with a letter beyond ASCII is a syllable of Vietnamese."""
    return all(is_syllable(word) for word in _WORD.findall(text) if not word.isascii())


def is_syllable(word: str) -> bool:
    """Whether a word can be Vietnamese: onset, vowels, end, and at most one tone, where it belongs."""
    letters = unicodedata.normalize("NFD", word.lower())
    # A tone goes behind the marks of the letter's shape, so that these compose with the letter.
    spelled = unicodedata.normalize("NFC", re.sub(f"([{TONES}])([\u0302\u0306\u031b]*)", r"\2T", letters))
    if spelled.count("T") > 1:
        return False
    toneless = spelled.replace("T", "")
    return any(_SYLLABLE.fullmatch(each) for each in _toned(spelled, toneless))


def _toned(spelled: str, toneless: str) -> list[str]:
    """The spelling with its tone; of a word without one, with the tone wherever it could stand."""
    if "T" in spelled:
        return [spelled]
    return [f"{toneless[:place]}T{toneless[place:]}" for place in range(1, len(toneless) + 1)]


def _encoded_once_less(text: str) -> str:
    """UTF-8 that was taken for Windows-1252 or Latin-1 and encoded again; what was lost on the way stays lost."""
    try:
        encoded = b"".join(_byte(letter) for letter in text)
    except ValueError:
        return text
    found = encoded.decode("utf-8", "replace")
    return found if "\ufffd" not in found or VIETNAMESE.search(found) else text


def _byte(letter: str) -> bytes:
    """As Windows-1252 writes it, and the five bytes that it leaves free as they are. Raises ValueError."""
    try:
        return letter.encode("cp1252")
    except UnicodeEncodeError:
        return letter.encode("latin-1")


def _from_tcvn3(text: str) -> str:
    """What was typed for a TCVN3 font and taken for Latin-1, where every word of it becomes a syllable."""
    if not _GARBLED.search(text) or any(ord(letter) > 0xFF for letter in text):
        return text
    if any(ord(letter) > 0xA0 and ord(letter) not in TCVN3 for letter in text):
        return text
    found = text.translate(TCVN3)
    if not is_vietnamese(found):
        return text
    # The fonts for capitals (.VnTimeH) show small letters as capitals: NGUYÔN is typed for NGUYỄN.
    is_in_capitals = not re.search("[a-z]", text) and re.search("[A-Z].*[A-Z]", max(text.split(), key=len))
    return found.upper() if is_in_capitals else found
