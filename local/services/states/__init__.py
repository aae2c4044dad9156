"""Step Functions: Standard state machines in JSONata, run in the cloud's event loop and on the cloud's time.

A definition is read and checked (`definition`, `checks`), an execution goes through its states (`course`), tasks call
other services in the name of the machine's role (`tasks`, `calls`), and where each execution stands is kept before
each step (`execution`, `archive`), so that it goes on after a restart. What is not done is refused by name when a
machine is made: JSONPath, distributed maps, activities, Express machines, versions and aliases, other integrations.
"""
