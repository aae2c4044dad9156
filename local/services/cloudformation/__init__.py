"""AWS CloudFormation: its query API over the deploy engine, with stacks, change sets and events that outlive a process.

`api.py` answers calls, `operations.py` runs them, `records` of every kind lie in `Documents`.
"""
