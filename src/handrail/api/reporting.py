"""Trainings leave a page of what came out in their folder."""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from handrail.core.arguments import folder_of
from handrail.core.plain_text import plain
from handrail.report.run_page import leave_report

P = ParamSpec("P")
R = TypeVar("R")


def leaves_report(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, which trains in its argument `folder` and then writes `report.html` there.

    The path is printed on the standard error. A page that cannot be written is logged, and
    `HANDRAIL_REPORT=off` leaves it out: what was trained is returned in any case.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        result = function(*args, **kwargs)
        written = leave_report(folder_of(signature.bind(*args, **kwargs).arguments["folder"]))
        if written is not None:
            print(f"report: {plain(written)}", file=sys.stderr)
        return result

    return call
