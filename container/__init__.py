"""What runs in the SageMaker image: the verbs serve, train, evaluate and check. Nothing outside it imports torch.

`settings` and `cuda` are torch-free: the synth imports them to set the image's environment and the host's driver.
"""
