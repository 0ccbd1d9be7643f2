"""Stands beside a render: tells how far it is, and asks whether anybody still wants it."""

import time
from collections.abc import Callable

from azure.core.exceptions import AzureError

from fanreel.adapters.services import Services
from fanreel.contracts import MontageDocument, MontageWork
from fanreel.domain import naming
from fanreel.domain.cancelling import is_wanted

from .base import log

ASK_EVERY_S = 2.0
"""One read and at most one write of the document in so long: a cancelled render ends within seconds, and hundreds
of renders at once cost hundreds of requests a second, not thousands."""
LEAST_STEP = 0.01
"""Less progress than this is not worth a write; so much is told as soon as a render begins."""


class RenderWatch:
    """Progress and the question whether to go on, for one montage, throttled; never resurrects a document.

    Both go through the montage's document as it is at that moment: only while it says that this very montage is
    being made is progress written to it.
    """

    def __init__(
        self, services: Services, work: MontageWork, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._services, self._work, self._clock = services, work, clock
        self._part = 0.0
        self._asked_at = -ASK_EVERY_S
        self._unwanted = False

    def progress(self, part: float) -> None:
        """Take note of the part done, 0..1."""
        self._part = part

    def is_unwanted(self) -> bool:
        """Write progress and say whether to stop. A database that does not answer is no reason to."""
        now = self._clock()
        if self._unwanted or now - self._asked_at < ASK_EVERY_S:
            return self._unwanted
        self._asked_at = now
        document_id = naming.montage_document_id(self._work.event_id)
        try:
            seen = self._services.documents.update(MontageDocument, document_id, self._work.fan_id, self._told)
        except AzureError as fault:
            log.warning("montage.progress_not_told", error=type(fault).__name__)
            return False
        self._unwanted = not is_wanted(seen, self._work)
        return self._unwanted

    def _told(self, document: MontageDocument) -> MontageDocument | None:
        # Whoever sees some progress knows that this is under way and that its own run says how it ends.
        part = max(round(self._part, 2), LEAST_STEP)
        # A second attempt does not go back behind what was told before.
        if not is_wanted(document, self._work) or part < document.progress + LEAST_STEP:
            return None
        return document.model_copy(update={"progress": part})
