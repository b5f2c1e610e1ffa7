"""Recorded episodes of the velocity tasks' students: frames of a camera that follows the robot."""

from pathlib import Path

from handrail.envs.velocity.host import VelocityHost
from handrail.envs.velocity.tasks import velocity_task
from handrail.interventions.recipes import none
from handrail.learners.sac.networks import Sampled
from handrail.methods.sagui.pair import acts_instead, intervention_of
from handrail.methods.sagui.pretraining import open_policy
from handrail.methods.sagui.settings import StudentRun
from handrail.tasks.family import Files
from handrail.tasks.velocity.problems import target_of
from handrail.train.evaluate_pair import check_lasting
from handrail.train.rollout.base import Drawn
from handrail.train.rollout.frames import WIDTH, recorded_frames
from handrail.train.rollout.recorded import RecordedEpisode


def record_runners(
    run: StudentRun, file: Path, files: Files, episodes: int, seed: int, shielded: bool
) -> list[RecordedEpisode]:
    """Episodes of a student's policy, sampled as it acts in training.

    With `shielded` the intervention of its method acts, without the random intervals in which a
    guide acts in training. Episodes of one seed begin alike, whoever acts in them. Raises
    `HandrailError` where there are no graphics.
    """
    where = target_of(run)
    intervention = intervention_of(where, run, files) if shielded else none()
    check_lasting(intervention)
    _, policy = open_policy(file, where.interface, "policy")
    host = VelocityHost(velocity_task(run.environment), size=WIDTH)
    try:
        return recorded_frames(
            host, host.robot, Drawn(Sampled(policy)), intervention,
            environment=run.environment, method=run.method,
            acts=acts_instead(run.method) if shielded else "",
            episodes=episodes, seed=seed, longest=host.episode_length,
        )  # fmt: skip
    finally:
        host.close()
