"""The tests, in the layout of what they test.

A package of its own, because a dependency of the tests installs one that is called `tests`, too.
"""
