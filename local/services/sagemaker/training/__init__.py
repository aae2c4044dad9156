"""SageMaker training jobs made real: the image's `train` verb in a process an instance, a job's states kept in records.

`operations` answers the API, `jobs` runs what was asked for, `run` takes one job from its inputs to its artifact, and
`hosts` its processes. What is simulated:

    InstanceType, VolumeSizeInGB, VolumeKmsKeyId, VpcConfig    stored and reported; the process has this machine's
    InstanceCount    processes of this machine, which meet on the loopback; the first one's checkpoints are copied
    EnableManagedSpotTraining    interrupted where somebody else ends a process; no capacity is waited for
    EnableNetworkIsolation    the process gets neither credentials nor the address of the APIs; its network is not cut
    FastFile    the channel is copied before the job starts, as in File mode
    MetricDefinitions    read into FinalMetricDataList; no metric is published
    BillableTimeInSeconds    the training time without what passes between an interruption and the next start
    RetryStrategy, InfraCheckConfig, KeepAlivePeriodInSeconds    stored, no effect
"""
