"""What an event may be called: one line that fits on a card."""

MAX_TITLE_LENGTH = 80
"""What fits on a title card in two lines."""


def plain_title(text: str) -> str:
    """Return the text as one line of printable characters, without spaces to spare and of a length that fits."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:MAX_TITLE_LENGTH].rstrip()
