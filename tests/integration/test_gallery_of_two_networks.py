"""A fan embedded by an earlier network stops nobody else's search (real Azurite and Cosmos emulator)."""

import pytest

from activities.matching import search_fan
from fanreel.contracts import FanSearch, MatchDocument, VideoDocument
from fanreel.local.servers import Azurite, CosmosEmulator
from tests.unit.matching_world import CONTRACT, EVENT, VIDEO, appearance, fan, person

from .flow_services import services_on

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("made_templates")]


def test_a_fan_of_an_earlier_network_stops_nobody_elses_search(azurite: Azurite, cosmos: CosmosEmulator) -> None:
    earlier = CONTRACT.model_copy(update={"sha256": "0" * 64})
    with services_on(azurite, cosmos) as services:
        services.documents.create(
            VideoDocument(
                id=VIDEO,
                video_id=VIDEO,
                event_id=EVENT,
                name="a",
                blob_name=f"{EVENT}/a",
                blob_etag="0",
                instance_id="i",
                status="ready",
            )
        )
        services.documents.create(appearance("a-1", person(1)))
        services.documents.create(fan("ann", person(1)))
        services.documents.create(fan("old", person(2), model_contract=earlier))
        assert search_fan(services, FanSearch(fan_id="ann", event_id=EVENT)).fan_ids == ("ann",)
        found = list(services.documents.query(MatchDocument, "", {}, partition="ann"))
        assert [(match.appearance_id, match.decision) for match in found] == [("a-1", "match")]
