"""Which face detector will serve, for every command that says so."""

from fanreel.inference.catalogue import catalogue
from fanreel.inference.packs import State, states
from fanreel.settings import Settings

FALLBACK = "tiled SSD (slower)"
REMEDY = "run `fanreel models pull` where it is reachable"


def quick_detectors(settings: Settings) -> list[State]:
    """Return the optional detectors of the baseline pack (YuNet) and whether their files are here."""
    entries = catalogue().pack("baseline")
    return states(settings, [entry for entry in entries if entry.optional and entry.role == "detect"])


def fallback_note(settings: Settings) -> str | None:
    """Say in one line that the slower detector will serve, and what to do; None when the quick one is here."""
    quick = quick_detectors(settings)
    if not quick or any(state.state != "missing" for state in quick):
        return None
    absent = ", ".join(state.entry.id for state in quick)
    return f"face detector: {FALLBACK}, {absent} is not here; {REMEDY}"
