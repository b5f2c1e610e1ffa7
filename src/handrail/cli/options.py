"""Options that several commands have."""

from typing import Annotated

import tyro

Device = Annotated[
    str | None,
    tyro.conf.arg(
        help="Where to compute: cpu, gpu, gpu:1, …; by default HANDRAIL_DEVICE, else cpu."
    ),
]
Repeatable = Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction]
"""Several words, after one flag or after one each: none of them is dropped."""
