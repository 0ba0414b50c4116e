"""What a file that is no model looks like, so that the error can say what was opened by mistake."""

from __future__ import annotations

__all__ = ["looks_like"]

# The first bytes by which each kind of file is known (its "magic number"), from the formats' own specifications.
_SIGNATURES = (
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a zip archive (.zip, .npz, .xlsx, PyTorch's .pt)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"\x89HDF\r\n", "an HDF5 file (Keras's .h5)"),
    (b"PAR1", "a Parquet table"),
    (b"ARROW1", "an Arrow table"),
    (b"SQLite format 3", "an SQLite database"),
    (b"version https://git-lfs", "a pointer of Git LFS, which stands for a file that was not fetched"),
)


def looks_like(start: bytes) -> str | None:
    """What kind of file begins with these bytes (a few hundred are enough), None when it is not known."""
    for signature, kind in _SIGNATURES:
        if start.startswith(signature):
            return kind
    # A pickle names its protocol and goes on with an instruction, none of which is zero.
    if len(start) > 2 and start[0] == 0x80 and start[1] in range(2, 6) and start[2] != 0:
        return "a pickle (joblib, .pkl)"
    return _text_kind(start)


def _text_kind(start: bytes) -> str | None:
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "a text file in UTF-16"
    # The last character may be cut, and old tables are in Latin-1: control characters tell text from the rest.
    text = start.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    if not text.strip() or any(character < " " and character not in "\t\n\r\f" for character in text):
        return None
    first = text.lstrip()[0]
    return "JSON text" if first in "{[" else "HTML or XML text" if first == "<" else "a text file, such as CSV"
