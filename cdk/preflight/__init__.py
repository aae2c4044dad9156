"""What will go wrong on AWS, said at the synth: checks over templates and packages, and, with credentials, over the
account. Pure functions; nothing here makes a construct or imports the CDK.
"""
