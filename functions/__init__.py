"""What runs in AWS Lambda, one folder a function: `handler.py`, `settings.py` and the logic without AWS in it."""
