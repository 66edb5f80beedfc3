"""What several test files share."""

import fcntl

import pytest

from apack_hdl.simulation import building


@pytest.fixture(scope="session")
def built(pytestconfig):
    """Folder of built simulators: kept from run to run, and shared by the processes of one."""
    return pytestconfig.cache.mkdir("simulation")


@pytest.fixture(scope="session")
def build(built):
    """f(config, engines) -> benches, see :func:`apack_hdl.simulation.building.build`."""

    def build(config, engines):
        with (built / "lock").open("w") as lock:  # two processes need not build the same
            fcntl.flock(lock, fcntl.LOCK_EX)
            return building.build(config, engines, folder=built)

    return build
