"""Metric math: the language of GetMetricData's expressions, which alarms and dashboards use too."""
