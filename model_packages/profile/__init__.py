"""What a set of rows looks like, as counts that merge by addition: a version's baseline, and the windows compared
with it.

Shared by the container (which makes the baseline), the monitor and its Spark job (which fold windows). Folding needs
NumPy alone; nothing here reads or writes a file.
"""
