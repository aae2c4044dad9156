"""SageMaker endpoints made real: a model-server process behind each production variant.

moto keeps the models, configs and endpoints as API objects (`moto_state`, `operations`); `endpoints` runs what they
describe, `runtime` answers InvokeEndpoint. What is simulated:

    InitialInstanceCount          one process, whatever the count; the count is stored and reported
    InstanceType, accelerators    stored and reported; the process has this machine's processor, or its GPU
    DeploymentConfig              every update is blue/green, all at once: no canary, no bake, no alarms
    RetainAllVariantProperties    nothing scales here, so there is nothing to retain
    VolumeSizeInGB, KmsKeyId, VpcConfig, network isolation, InferenceAmiVersion, RoutingConfig    stored, no effect
    ModelDataDownloadTimeoutInSeconds    no limit
"""
