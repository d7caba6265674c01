"""Which tests need containers, and Kamailio with parties around it."""

from collections.abc import Iterator

import pytest

from desk.settings.settings import Settings
from ops.machine.asterisk import choose_runner
from tests.support.depth import AGAIN
from tests.support.machine.sip_edge import Edge, running_edge

_IN_CONTAINERS = choose_runner(Settings.load(need_keys=False, environment="demo")) == "docker"
SAME_IN_CONTAINERS = [
    *("test_claim_rest_race.py", "test_lines_and_choices.py", "test_mistakes_never_reach_callers.py"),
    *("test_no_endless_round.py", "test_no_way_out.py", "test_recognised_prompts.py"),
]
"""About conversations, the dialplan and the api: an Asterisk in a container has the same packages and files."""
_NEED_ENGINE = ["test_production_path.py", "test_two_nodes_in_containers.py"]
"""`make up` needs a Docker engine: CI runs these in its second half, where there is one."""
collect_ignore = [*([] if _IN_CONTAINERS else _NEED_ENGINE), *(SAME_IN_CONTAINERS if AGAIN else [])]


@pytest.fixture(scope="module")
def parties_around_kamailio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """Kamailio before two nodes, with a telephone company and strangers."""
    with running_edge(tmp_path_factory.mktemp("kamailio")) as made:
        yield made


@pytest.fixture
def edge(parties_around_kamailio: Edge) -> Edge:
    """The same, with no one having heard anything yet."""
    for each in parties_around_kamailio.parties:
        each.heard()
    return parties_around_kamailio
