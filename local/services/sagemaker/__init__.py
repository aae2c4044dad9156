"""SageMaker made real: a model-server process behind each production variant, a process for each training job.

moto keeps the models, configs and endpoints as API objects (`moto_state`, `operations`, `descriptions`); `endpoints`
runs what they describe, `runtime` answers InvokeEndpoint. The registry and the training jobs (`training`) are records
of Flyball's own. `control_plane` puts them together. What is simulated of endpoints:

    InitialInstanceCount          one process, whatever the count; the count is stored and reported
    InstanceType, accelerators    stored and reported; the process has this machine's processor, or its GPU
    DeploymentConfig              steps, bakes and alarms are followed (docs/decisions/rollouts.md); one process stands
                                  for a fleet, so a step is a share of the traffic, in a rolling update too
    EnableNetworkIsolation        the process gets no credentials of its role; its network is not cut
    VolumeSizeInGB, KmsKeyId, VpcConfig, InferenceAmiVersion, RoutingConfig    stored, no effect
    ModelDataDownloadTimeoutInSeconds    no limit
"""
