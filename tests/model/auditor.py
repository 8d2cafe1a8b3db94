"""rsx/sim/auditor/orders.py, under the name by which tests know it."""

from rsx.sim.auditor.orders import *  # noqa: F403
