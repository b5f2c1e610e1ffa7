"""SaGui's navigation tasks as a family."""

from handrail.envs.navigation.problems import task_of
from handrail.tasks.guided.family import guided_family
from handrail.tasks.guided.tasks import GuidedTasks
from handrail.tasks.navigation.episode import record_students
from handrail.tasks.navigation.problems import (
    DEFAULTS,
    pretraining_in,
    source_of,
    target_of,
    transfer_of,
    usual_run,
)

NAVIGATION = guided_family(
    GuidedTasks(
        name="navigation",
        environments=tuple(DEFAULTS),
        run=usual_run,
        source=source_of,
        target=target_of,
        pretraining=pretraining_in,
        compiles=lambda environment: task_of(environment).compiles,
        record=record_students,
        transfer=transfer_of,
    )
)
resolve_settings = NAVIGATION.resolve
"""From dotted settings of a navigation run; raises `HandrailError`."""
