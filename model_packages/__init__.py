"""What a user writes, one folder a model package, and the contract every folder keeps.

Torch-free: the gateway, the container and the synth all import from here.
"""
