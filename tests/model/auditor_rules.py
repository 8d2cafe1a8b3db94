"""rsx/sim/auditor/rules.py, under the name by which tests know it."""

from rsx.sim.auditor.rules import *  # noqa: F403
