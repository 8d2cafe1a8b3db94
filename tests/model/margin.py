"""rsx/sim/auditor/margin.py, under the name by which tests know it."""

from rsx.sim.auditor.margin import *  # noqa: F403
