"""Which tests need containers."""

from desk.settings.settings import Settings
from ops.machine.asterisk import choose_runner

_IN_CONTAINERS = choose_runner(Settings.load(need_keys=False, environment="demo")) == "docker"
collect_ignore = [] if _IN_CONTAINERS else ["test_production_path.py"]
"""`make up` needs a Docker engine: CI runs that test in its second half, where there is one."""
