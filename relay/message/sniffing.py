"""What type a file has that nobody named: by its first octets, and by its name only as far as they allow.

A small table: what people attach to mail. Whatever it does not know is
application/octet-stream, which is always true.
"""

from typing import Final

UNKNOWN: Final = "application/octet-stream"

# How a file begins, and its type.
_BEGINNINGS: Final = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\0\0\x01\0", "image/vnd.microsoft.icon"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"(\xb5/\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"MThd", "audio/midi"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"%!PS", "application/postscript"),
    (b"{\\rtf", "application/rtf"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"\0asm", "application/wasm"),
    (b"BEGIN:VCALENDAR", "text/calendar"),
    (b"BEGIN:VCARD", "text/vcard"),
)
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_OPEN_DOCUMENT: Final = "application/vnd.oasis.opendocument."
# What a container holds its extension says.
_IN_ZIP: Final = {
    "docx": f"{_OFFICE}wordprocessingml.document",
    "xlsx": f"{_OFFICE}spreadsheetml.sheet",
    "pptx": f"{_OFFICE}presentationml.presentation",
    "odt": f"{_OPEN_DOCUMENT}text",
    "ods": f"{_OPEN_DOCUMENT}spreadsheet",
    "odp": f"{_OPEN_DOCUMENT}presentation",
    "epub": "application/epub+zip",
    "jar": "application/java-archive",
}
_IN_OLE: Final = {
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "msg": "application/vnd.ms-outlook",
}
_IN_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/vnd.wave", b"AVI ": "video/vnd.avi"}
_IN_FTYP: Final = {
    b"avif": "image/avif",
    b"heic": "image/heic",
    b"mif1": "image/heif",
    b"qt  ": "video/quicktime",
}
_TEXTS: Final = {
    "txt": "text/plain",
    "log": "text/plain",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "md": "text/markdown",
    "htm": "text/html",
    "html": "text/html",
    "css": "text/css",
    "ics": "text/calendar",
    "vcf": "text/vcard",
    "json": "application/json",
    "xml": "application/xml",
    "svg": "image/svg+xml",
    "eml": "application/octet-stream",
}
_LOOKED_AT: Final = 4096


def sniffed_type(filename: str, content: bytes) -> str:
    """The Content-Type of a file; a text's with its charset."""
    extension = filename.rpartition(".")[2].lower() if "." in filename else ""
    return _by_beginning(content, extension) or _text_type(content, extension) or UNKNOWN


def _by_beginning(content: bytes, extension: str) -> str | None:
    if content.startswith(_ZIP):
        return _IN_ZIP.get(extension, "application/zip")
    if content.startswith(_OLE):
        return _IN_OLE.get(extension, "application/x-ole-storage")
    if content.startswith(b"RIFF"):
        return _IN_RIFF.get(content[8:12])
    if content[4:8] == b"ftyp":
        return _IN_FTYP.get(content[8:12], "video/mp4")
    for beginning, type_ in _BEGINNINGS:
        if content.startswith(beginning):
            return f"{type_}; charset=utf-8" if type_.startswith("text/") else type_
    return None


def _text_type(content: bytes, extension: str) -> str | None:
    """By its extension, if it is text: UTF-8 without controls. Unknown text is plain."""
    if not _is_text(content):
        return None
    type_ = _TEXTS.get(extension, "text/plain" if content else UNKNOWN)
    return f"{type_}; charset=utf-8" if type_.startswith("text/") else type_


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    beginning = content[:_LOOKED_AT]
    return not any(octet < 32 and octet not in b"\t\n\r\f\x1b" for octet in beginning)
