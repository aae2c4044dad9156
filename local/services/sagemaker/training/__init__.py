"""SageMaker training jobs made real: the image's `train` verb in a process of its own, a job's states kept in records.

`operations` answers the API, `jobs` runs what was asked for, `run` takes one job from its inputs to its artifact.
What is simulated:

    InstanceType, VolumeSizeInGB, VolumeKmsKeyId, VpcConfig    stored and reported; the process has this machine's
    EnableManagedSpotTraining, MaxWaitTimeInSeconds    never interrupted; the longest wait is kept
    EnableNetworkIsolation    the process gets neither credentials nor the address of the APIs; its network is not cut
    FastFile    the channel is copied before the job starts, as in File mode
    MetricDefinitions    read into FinalMetricDataList; no metric is published
    BillableTimeInSeconds    the training time
    RetryStrategy, InfraCheckConfig, KeepAlivePeriodInSeconds    stored, no effect
"""
