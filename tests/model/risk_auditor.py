"""rsx/sim/auditor/money.py, under the name by which tests know it."""

from rsx.sim.auditor.money import *  # noqa: F403
