"""One file an AWS service: how each of its resource types is made real on that service's API."""
