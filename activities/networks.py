"""The networks of the Functions process: loaded once, when the first selfie comes."""

from threading import Lock

from fanreel.inference.networks import Networks, load_networks
from fanreel.settings import get_settings

_lock = Lock()
_loaded: list[Networks] = []


def networks() -> Networks:
    """Return the networks; activities run in a thread pool, so only one of them loads."""
    with _lock:
        if not _loaded:
            _loaded.append(load_networks(get_settings(), selfies=True))
        return _loaded[0]
