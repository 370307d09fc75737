"""The registry of measures: every measure has a value or a reason, and every face says the same."""

from __future__ import annotations

import inspect
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from polylc import certify
from polylc.cli.options import MEASURES_HELP
from polylc.errors import UsageError
from polylc.exact.quantity import Quantity
from polylc.measures.answers import Answer, Answers, missing
from polylc.measures.measure import Cost
from polylc.measures.registry import ATTRIBUTES, MEASURES, ROWS
from polylc.network.form import Network, chain
from polylc.report.schema import Report
from polylc.report.table import result_rows, show_one
from polylc.run.watch import exact_values
from polylc.search.task import parse_measures


def net(inputs: int, outputs: int, seed: int = 0) -> Network:
    """A small network in general position."""
    rng = np.random.default_rng(seed)
    sizes = (inputs, 4, 3, outputs)
    weights = [rng.normal(size=(m, n)) for n, m in itertools.pairwise(sizes)]
    return chain(weights, [rng.normal(size=m) / 2 for m in sizes[1:]])


CASES = [
    {"inputs": n, "outputs": outputs, "certified": certified, "limit": limit, "box": box}
    for n in (1, 2, 4, 7)
    for outputs in (1, 3)
    for certified in (True, False)
    for limit in (None, 1)
    for box in (False, True)
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c.values())))
def test_what_is_not_given_carries_a_reason_on_every_face(case):
    n = case["inputs"]
    where = {"box": ([-0.5] * n, [0.5] * n)} if case["box"] else {"points": [0.0] * n, "radius": 0.5}
    run = certify(net(n, case["outputs"]), certified=case["certified"], max_regions=case["limit"], sigma="0.1", measures="all,topology", **where)
    (result,) = run
    (entry,) = run.report().neighbourhoods
    for row in ROWS:
        answer = result.answers[row.name]
        if answer.value is None:
            assert answer.reason
            assert result.notes[row.name] == answer.reason
            assert all(getattr(result, attribute) is None for attribute in row.attributes)
        for field in row.fields:
            if getattr(entry, field.name) is None:
                assert {row.name, field.name} & entry.notes.keys(), f"{field.name} is null without a reason"
    frame = exact_values(result)
    for row in ROWS:
        value = result.answers.value(row.name)
        for name, number in ({} if value is None else row.numbers(value)).items():
            if isinstance(number, Quantity) and result.complete and name.replace(".", "_") in frame:
                cell = frame[name.replace(".", "_")]
                assert cell is None or number.lower <= cell <= (math.inf if number.upper is None else number.upper)
    assert Report.model_validate_json(run.report().model_dump_json()) == run.report()
    assert all(isinstance(text, str) for _, text in result_rows(result))


def test_measures_that_were_not_asked_for_say_so():
    result = certify(net(2, 3), [0.0, 0.0], radius=0.5, measures="counts")[0]
    assert all(result.notes[name] == "not asked for" for name in MEASURES if name != "counts")
    assert Answers({})["counts"].reason == "not asked for"


def test_an_answer_without_value_and_reason_cannot_be_made():
    with pytest.raises(ValueError, match="needs a reason"):
        Answer(None)
    assert missing("why").reason == "why"


def test_rows_share_no_name():
    assert len(MEASURES) == len(ROWS)
    fields = [field.name for row in ROWS for field in row.fields] + [field.name for row in ROWS for field in row.summary]
    assert len(set(fields)) == len(fields)
    assert len(ATTRIBUTES) == sum(len(row.attributes) for row in ROWS)
    assert all(row.about for row in ROWS)


def test_tab_finds_the_measures():
    result = certify(net(2, 3), [0.0, 0.0], radius=0.5)[0]
    assert set(ATTRIBUTES) <= set(dir(result))
    with pytest.raises(AttributeError, match="no attribute 'lipshitz'"):
        result.lipshitz  # noqa: B018


def test_an_interrupt_while_measuring_keeps_what_is_there(monkeypatch):
    from polylc.measures import registry

    real, asked = registry._answer, []

    def interrupted(row, scene):
        asked.append(row.name)
        if row.name == "total_variation":
            raise KeyboardInterrupt
        return real(row, scene)

    monkeypatch.setattr(registry, "_answer", interrupted)
    result = certify(net(2, 3), [0.0, 0.0], radius=0.5)[0]
    assert result.status == "partial"
    assert result.outcome == "interrupted"
    assert result.adjacencies is not None
    assert result.lipschitz is not None
    assert result.total_variation is None
    assert "interrupted" in result.notes["total_variation"]
    assert asked == ["counts", "lipschitz", "robustness", "local_complexity", "total_variation"]


def test_the_help_names_all_measures():
    assert MEASURES_HELP.endswith(f"or some of {', '.join(MEASURES)}.")


def test_default_measures_are_those_that_are_not_dear():
    dear = [row.name for row in ROWS if row.cost in (Cost.HIGH, Cost.BY_NAME)]
    assert dear == ["topology", "bounds"]
    assert parse_measures("default") == tuple(name for name in MEASURES if name not in dear)
    assert parse_measures("all") == parse_measures("default,bounds") == parse_measures(["bounds", "default"])
    assert parse_measures("all,topology") == tuple(MEASURES)
    assert "topology" not in parse_measures("all")
    assert parse_measures("lipschitz,counts") == ("counts", "lipschitz")
    with pytest.raises(UsageError, match="default, all"):
        parse_measures("everything")


@pytest.mark.parametrize("measures", ["default", "all", "counts"])
def test_the_table_says_what_was_left_out(measures):
    console = Console(record=True, width=200)
    result = certify(net(2, 3), [0.0, 0.0], radius=0.5, measures=measures)[0]
    show_one(console, result)
    assert ("left out" in console.export_text()) == (measures == "default")
    assert result.answers["bounds"].value is None or measures == "all"
    described = inspect.getdoc(certify).split("measures : str")[1].split("engine : str")[0]
    assert all(f'"{name}"' in described for name in MEASURES)


def test_a_table_says_what_a_limit_left_out():
    """Measures of the default too, together where the reason is the same, and volumes are not said twice."""
    result = certify(net(2, 3), [0.0, 0.0], radius=0.5)[0]
    why, some = "the memory limit was reached before it was measured", ("counts", "local_complexity", "total_variation")
    left = replace(result, answers=Answers({**result.answers, **dict.fromkeys(some, missing(f"null: {why}"))}), late=some)
    rows = result_rows(left)
    assert ("not measured", f"{', '.join(some)}: {why}") in rows
    assert not [text for name, text in rows if name == "volumes"]
    assert not [text for _, text in result_rows(result) if why in text]
