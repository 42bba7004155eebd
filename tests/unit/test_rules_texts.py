"""The rules' texts: codes, names and pages that a reader and a script can rely on."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from workerstate.observe import rules
from workerstate.observe.rules import RULES, unknown_codes
from workerstate.observe.rules.rule import Rule, commonest, count, listed, where_set

ALL = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


@ALL
def test_code_and_name_have_their_form(rule: Rule) -> None:
    """A code is WS and three digits, a name a few words in kebab-case."""
    assert re.fullmatch(r"WS[1-5]\d\d", rule.code)
    assert re.fullmatch(r"[a-z]+(-[a-z]+){1,4}", rule.name)
    assert RULES[rule.code] is rule


def test_codes_and_names_are_unique_and_in_order() -> None:
    """No two rules share a name, the table is in order, and every family's file is in it."""
    assert len({rule.name for rule in RULES.values()}) == len(RULES)
    assert list(RULES) == sorted(RULES)
    for path in Path(rules.__file__).parent.glob("[a-z]*.py"):
        family = import_module(f"workerstate.observe.rules.{path.stem}")
        assert all(RULES[rule.code] is rule for rule in getattr(family, "RULES", ()))


@ALL
def test_texts_are_sentences(rule: Rule) -> None:
    """Summary, why, how and remedy are there, begin like sentences and end with a full stop."""
    for text in (rule.summary, rule.why, rule.how, rule.remedy):
        assert text.strip() == text
        assert text.endswith((".", ").", "one."))
        assert "  " not in text
        assert text.isascii()
    assert rule.summary.count(". ") == 0


@ALL
def test_page_tells_all(rule: Rule) -> None:
    """A page begins with code and name, has each part once, and fits a terminal."""
    page = rule.page()
    assert page.startswith(f"{rule.code} {rule.name}\n\n{rule.summary}")
    for title in ("Why", "How", "Remedy"):
        assert page.count(f"\n\n{title}\n  ") == 1
    assert max(map(len, page.splitlines())) <= 100
    assert " ".join(rule.remedy.split()) in " ".join(page.split())


@pytest.mark.parametrize(
    ("codes", "unknown"),
    [
        ([], []),
        (["WS101", "WS1", "WS", "W"], []),
        (["WS999", "WS2"], ["WS999"]),
        (["WS1011", "ws101", "nonsense"], ["WS1011", "ws101", "nonsense"]),
    ],
)
def test_codes_and_prefixes_are_known(codes: list[str], unknown: list[str]) -> None:
    """A code is known if it is one or the beginning of one."""
    assert unknown_codes(codes) == unknown


def test_findings_carry_their_rule() -> None:
    """A finding has its rule's code, name and remedy, and the place that is given."""
    rule = next(iter(RULES.values()))
    finding = rule.finding("it is so", path="a.py", line=3)
    assert (finding.code, finding.name, finding.remedy) == (rule.code, rule.name, rule.remedy)
    assert (finding.sentence, finding.path, finding.line) == ("it is so", "a.py", 3)


def test_small_words() -> None:
    """Counts have the right number, lists stay short, the commonest value is found."""
    assert (count(1, "worker"), count(2, "worker")) == ("1 worker", "2 workers")
    assert listed(["a", "b", "a"]) == "a, b"
    assert listed("abcdefg") == "a, b, c, d and 3 more"
    assert commonest(["x", "y", "y"]) == "y"


def test_finds_the_line_that_sets_a_name(tmp_path: Path) -> None:
    """The last line that assigns a name is the place; none is made up."""
    path = tmp_path / "program.py"
    path.write_text("limit = 1\nclass C:\n    pass\nC.rate = 2\ndef f():\n    limit: int = 3\n")
    assert where_set(str(path), "limit") == 6
    assert where_set(str(path), "C.rate") == 4
    assert where_set(str(path), "other") is None
    assert where_set(None, "limit") is None
    assert where_set(str(tmp_path / "gone.py"), "limit") is None
    broken = tmp_path / "broken.py"
    broken.write_text("def (:\n")
    assert where_set(str(broken), "limit") is None
