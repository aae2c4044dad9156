"""CloudWatch Logs beside what moto does of it: filter patterns, and metrics made of log lines."""
