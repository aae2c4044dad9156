"""What runs in the SageMaker image: the verbs serve, train and check. Nothing outside this folder imports torch.

`settings` and `cuda` are torch-free: the synth imports them to set the image's environment and the host's driver.
"""
