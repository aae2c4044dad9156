"""The local cloud: the synthesized assembly made real on a laptop, one module an AWS service."""
