"""The deploy engine: takes a synthesized assembly (cdk.out) and makes it real on AWS APIs reached through boto3."""
