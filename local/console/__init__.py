"""A page that shows what the CloudWatch console would: dashboards, alarms, endpoints, refusals, the latest report."""
