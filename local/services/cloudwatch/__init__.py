"""CloudWatch of the local cloud: metrics, alarms that are evaluated, dashboards, and metrics out of log lines."""
