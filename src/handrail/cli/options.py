"""Options that several commands have."""

from typing import Annotated

import tyro

Device = Annotated[
    str | None,
    tyro.conf.arg(
        help="Where to compute: cpu, gpu, gpu:1, …; by default HANDRAIL_DEVICE, else cpu."
    ),
]
