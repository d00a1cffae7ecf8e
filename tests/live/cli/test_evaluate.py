"""What `evaluate matte` shows can be narrowed, and a name that is none is answered with those that are."""

from __future__ import annotations

import pytest

from core.errors import SettingsError
from core.evaluation.methods import KEYED, PLATELESS, TRACKED, keyed
from live.cli.evaluate import _chosen_kinds, _chosen_methods

METHODS = {TRACKED: keyed, PLATELESS: keyed, KEYED: keyed, "rvm": keyed}


def test_all_is_shown_unless_told_otherwise():
    assert _chosen_kinds(None, ("drift", "hair", "cost")) == ("drift", "hair", "cost")
    assert _chosen_methods(METHODS, None) == METHODS


def test_kinds_keep_the_order_of_the_tables():
    assert _chosen_kinds(["cost", "drift"], ("drift", "hair", "cost")) == ("drift", "cost")


def test_methods_are_chosen_by_part_of_their_name():
    assert list(_chosen_methods(METHODS, ["CLEANPLATE", "rvm"])) == [TRACKED, PLATELESS, "rvm"]


def test_unknown_names_are_answered_with_the_known():
    with pytest.raises(SettingsError, match="'hare'; it must be one of drift, hair"):
        _chosen_kinds(["hare"], ("drift", "hair"))
    with pytest.raises(SettingsError, match="'modnet'; it must be part of one of: cleanplate"):
        _chosen_methods(METHODS, ["modnet"])
