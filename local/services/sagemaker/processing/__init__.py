"""SageMaker Processing jobs on AWS's Spark image made real: PySpark in a process of its own, a job's states in records.

`operations` answers the API, `jobs` runs what was asked for, `run` takes one job from its inputs to its end, `spark`
says what the image's `smspark-submit` is here. What is simulated:

    ImageUri                      AWS's Spark image alone, as the PySpark that is installed here; no other image
    InstanceCount, InstanceType   stored and reported; Spark has two threads of this machine
    /opt/ml/...                   in the job's arguments it stands for the job's folder, which lies elsewhere
    VolumeSizeInGB, VolumeKmsKeyId, VpcConfig, EnableInterContainerTrafficEncryption    stored, no effect
    EnableNetworkIsolation        the process gets neither credentials nor the APIs' address; its network is not cut
"""
