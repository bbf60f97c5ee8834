"""What machines do to a run: kills, full disks, jumping clocks, flipped bits. ``make test-faults``."""
