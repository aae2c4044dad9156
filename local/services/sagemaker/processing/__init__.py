"""SageMaker Processing jobs made real: the container in a process of its own, a job's states kept in records.

`operations` answers the API, `jobs` runs what was asked for, `run` takes one job from its inputs to its outputs.
`image` says what a package's image does, `spark` what AWS's Spark image is here. What is simulated:

    ImageUri                      a package's image, as its build context; AWS's Spark image, as the PySpark here
    InstanceType                  stored and reported
    InstanceCount                 stored and reported for Spark, which has two threads; one for any other image
    /opt/ml/...                   in the job's arguments it stands for the job's folder, which lies elsewhere
    ProcessingOutputConfig        stored once the job has completed: EndOfJob alone
    VolumeSizeInGB, VolumeKmsKeyId, VpcConfig, EnableInterContainerTrafficEncryption    stored, no effect
    EnableNetworkIsolation        the process gets neither credentials nor the APIs' address; its network is not cut
"""
