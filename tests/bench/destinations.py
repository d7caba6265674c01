"""A million destinations through the number check and the endpoint builder: `python -m tests.bench.destinations`."""

import sys
import time

from tests.support.phone.destination_fuzz import fuzz

COUNT = 1_000_000
SEED = 20261122


def main() -> None:
    """Print the result. Exit code 1 if any endpoint breaks the rule."""
    began = time.perf_counter()
    told = fuzz(seed=SEED, count=COUNT)
    print(
        f"{COUNT} destinations in {time.perf_counter() - began:.0f} s: {told.endpoints} endpoints, "
        f"{told.refused} refused, {len(told.astray)} outside the allow-list"
    )
    sys.exit(1 if told.astray else 0)


if __name__ == "__main__":
    main()
