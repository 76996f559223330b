"""The tree in the docstring of tvstreamer.errors is the tree of the classes."""

from __future__ import annotations

import inspect
import re

import tvstreamer
from tvstreamer import errors

_LINE = re.compile(r"(?P<indent> +)(?P<name>[A-Z]\w+)(?: \(also an? (?P<builtin>\w+)\))?")

# (bases, in order) by name
Tree = dict[str, list[str]]


def drawn() -> Tree:
    tree: Tree = {}
    path: list[tuple[int, str]] = [(0, "Exception")]
    lines = (errors.__doc__ or "").split("::\n", 1)[1].splitlines()
    for match in filter(None, map(_LINE.fullmatch, lines)):
        indent = len(match["indent"])
        while path[-1][0] >= indent:
            path.pop()
        tree[match["name"]] = [path[-1][1], *([match["builtin"]] if match["builtin"] else [])]
        path.append((indent, match["name"]))
    return tree


def real() -> Tree:
    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    return {value.__name__: [base.__name__ for base in value.__bases__] for value in classes}


def test_the_tree_in_the_docstring_is_that_of_the_classes() -> None:
    assert drawn() == real()


def test_every_error_is_exported() -> None:
    assert set(real()) <= set(tvstreamer.__all__)
