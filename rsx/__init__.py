"""RSX: a perpetual-futures exchange in one Python process.

Imports nothing: the set-up reads this package before any dependency is
installed or any extension is built.
"""

__version__ = "0.1.0"
