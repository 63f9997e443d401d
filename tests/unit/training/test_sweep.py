"""A sweep is a list comprehension, wherever it is computed."""

import pytest

from fpnlib.training import sweep

CELLS = [{"rate": rate, "seed": seed} for rate in (0.1, 1.0) for seed in range(3)]


def outcome(cell):
    return cell["seed"] + cell["rate"]


@pytest.mark.parametrize("backend", ["sequential", "loky", "threading"])
def test_backends_agree(backend):
    seen = []
    found = sweep(outcome, iter(CELLS), backend=backend, progress=lambda done, total: seen.append((done, total)))
    assert found == [outcome(cell) for cell in CELLS]
    assert seen == [(done, 6) for done in range(1, 7)]


def test_dask_by_address_by_environment_and_by_client(monkeypatch):
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        expected = [outcome(cell) for cell in CELLS]
        assert sweep(outcome, CELLS, backend="dask", scheduler=address) == expected
        with Client(address):
            assert sweep(lambda cell: outcome(cell), CELLS, backend="dask") == expected
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
        assert sweep(outcome, CELLS, backend="dask") == expected


@pytest.mark.parametrize("backend", ["sequential", "threading"])
def test_an_error_in_a_cell_is_the_callers(backend):
    with pytest.raises(KeyError, match="rate"):
        sweep(outcome, [{"seed": 1}], backend=backend)


def test_no_cells_no_outcomes():
    assert sweep(outcome, []) == []


def test_a_bar_in_the_terminal(capsys):
    sweep(outcome, CELLS, progress=True)
    assert "6/6" in capsys.readouterr().out


@pytest.mark.bad_input
def test_bad_input(monkeypatch):
    with pytest.raises(ValueError, match="backend: got 'cloud', allowed: 'sequential', 'loky', 'threading', 'dask'"):
        sweep(outcome, CELLS, backend="cloud")
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    with pytest.raises(ValueError, match="scheduler: got None"):
        sweep(outcome, CELLS, backend="dask")
