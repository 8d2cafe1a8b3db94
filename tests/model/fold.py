"""rsx/sim/auditor/fold.py, under the name by which tests know it."""

from rsx.sim.auditor.fold import *  # noqa: F403
