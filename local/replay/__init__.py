"""`flyball replay`: realistic traffic through the HTTPS API of the running cloud, spread over simulated time.

`plan` says which row comes when, `rows` has the package make them, `api` sends them and moves the cloud's clock,
`watch` looks at alarms and reports, and `replay` goes through it all. It is a client like any other: nothing of the
cloud is reached but its two ports.
"""
