# SPDX-License-Identifier: MIT
"""Log and progress. What they raise does not cross the C interface."""

import sys

import pytest

import eplb


def test_log(shape, loads):
    lines = []
    options = eplb.Options(log_fn=lambda level, text: lines.append((level, text)), log_level="debug")
    with eplb.Planner(shape, options) as planner:
        planner.submit(loads)
    assert [level for level, _ in lines] == [eplb.LogLevel.INFO, eplb.LogLevel.DEBUG]
    assert "3 layers of 8 experts" in lines[0][1]


def test_a_log_that_raises_is_reported_elsewhere(shape, loads, monkeypatch):
    raised = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: raised.append(what.exc_value))

    def log(level, text):
        raise OSError("disk full")

    with eplb.Planner(shape, eplb.Options(log_fn=log)) as planner:
        planner.submit(loads)
        planner.get_maps()
    assert [str(one) for one in raised] == ["disk full"]


def test_progress(shape, loads):
    seen = []
    eplb.plan(loads, shape, eplb.Options(progress_fn=lambda done, total: seen.append((done, total))))
    assert seen[-1] == (3, 3)


def test_progress_cancels(shape, loads):
    cancel = False
    with eplb.Planner(shape, eplb.Options(progress_fn=lambda done, total: cancel)) as planner:
        planner.submit(loads)
        before = planner.get_maps().physical_to_logical
        cancel = True
        with pytest.raises(eplb.CancelledError):
            planner.submit([row[::-1] for row in loads])
        assert planner.get_maps().physical_to_logical == before


@pytest.mark.parametrize("what", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_what_progress_raises_comes_out_of_the_call(shape, loads, what):
    raising = True

    def progress(done, total):
        if raising:
            raise what("from the callback")

    options = eplb.Options(progress_fn=progress)
    with eplb.Planner(shape, options) as planner:
        with pytest.raises(what, match="from the callback"):
            planner.submit(loads)
        raising = False
        planner.submit(loads)
    raising = True
    with pytest.raises(what):
        eplb.balanced_packing(loads, 4, options)
    with pytest.raises(what):
        eplb.replicate_experts(loads, 12, options)


def test_a_callback_cannot_use_its_planner(shape, loads):
    def progress(done, total):
        planner.get_maps()

    planner = eplb.Planner(shape, eplb.Options(progress_fn=progress))
    with pytest.raises(eplb.InvalidStateError, match="in use"):
        planner.submit(loads)
    planner.close()
