"""Which visual encoder is best for robot control, and by how much?"""

import os

# OpenMP threads that wait for each other spin for about a millisecond before they sleep. Where anything else runs on the same
# cores, a training step of a small network then takes ten times as long (300 ms for 20 on two shared cores, 66 with this; on
# quiet ones 21 for 20). Has to be set before torch is imported; it changes no result.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
