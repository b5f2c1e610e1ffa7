"""Safety-Gymnasium's velocity tasks as a family."""

from handrail.envs.velocity.tasks import VELOCITY_TASKS
from handrail.tasks.guided.family import guided_family
from handrail.tasks.guided.tasks import GuidedTasks
from handrail.tasks.velocity.episode import record_runners
from handrail.tasks.velocity.problems import (
    pretraining_in,
    source_of,
    target_of,
    transfer_of,
    usual_guide,
    usual_run,
    usual_student,
)

VELOCITY = guided_family(
    GuidedTasks(
        name="velocity",
        environments=tuple(VELOCITY_TASKS),
        run=usual_run,
        source=source_of,
        target=target_of,
        pretraining=pretraining_in,
        compiles=lambda environment: False,
        record=record_runners,
        transfer=transfer_of,
        student=usual_student,
        guide=usual_guide,
    )
)
