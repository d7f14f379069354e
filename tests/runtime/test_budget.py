import dataclasses

import pytest
import torch

from tinygpt.runtime import Budget


@pytest.fixture(autouse=True)
def threads_unchanged(monkeypatch):
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_without_a_wish_the_device_decides(monkeypatch):
    monkeypatch.delenv("TINYGPT_BUDGET", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Budget.detect().name == "laptop"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Budget.detect() == Budget("gpu", torch.device("cuda"))


def test_the_environment_overrides_and_ci_stays_on_the_cpu(monkeypatch):
    monkeypatch.setenv("TINYGPT_BUDGET", "ci")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Budget.detect() == Budget("ci", torch.device("cpu"))


def test_an_unknown_budget_is_named(monkeypatch):
    monkeypatch.setenv("TINYGPT_BUDGET", "desktop")
    with pytest.raises(ValueError, match="one of ci, laptop, gpu; got 'desktop'"):
        Budget.detect()


@pytest.mark.parametrize(("name", "steps"), [("ci", 1), ("laptop", 2), ("gpu", 3)])
def test_pick(name, steps):
    assert Budget(name, torch.device("cpu")).pick(ci=1, laptop=2, gpu=3) == steps


def test_a_budget_is_a_value():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Budget("ci", torch.device("cpu")).name = "gpu"


@pytest.mark.parametrize(("cpus", "asked", "threads"), [(1, "", 1), (2, "", 1), (8, "", 4), (2, "2", 2)])
def test_half_of_the_cpus_are_left_to_the_page(monkeypatch, cpus, asked, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr("tinygpt.runtime.budget.usable_cpus", lambda: cpus)
    Budget.detect()
    assert torch.get_num_threads() == threads
