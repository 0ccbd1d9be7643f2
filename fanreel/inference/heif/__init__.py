"""HEIC and AVIF pictures, as telephones take them.

`boxes` finds what is stored, `picture` what is shown of it, `pixels` decodes it with PyAV's ffmpeg. No other
library is needed, and nothing the file says is trusted.
"""

from .boxes import HeifBroken, is_heif
from .picture import HeifPicture, read_heif, read_size
from .pixels import decode_heif

__all__ = ["HeifBroken", "HeifPicture", "decode_heif", "is_heif", "read_heif", "read_size"]
