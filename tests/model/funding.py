"""rsx/sim/auditor/funding.py, under the name by which tests know it."""

from rsx.sim.auditor.funding import *  # noqa: F403
