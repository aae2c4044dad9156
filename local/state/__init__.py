"""What the local cloud holds, kept on disk: it outlives `flyball down`, a `kill -9` and a full disk.

`store` has the rows and records (SQLite) and `blobs` the large contents; `pickling` and `sections` turn moto's objects
into rows; `keeper` says when; `documents` of other parts lie beside them. docs/decisions/durable-state.md says why.
"""
