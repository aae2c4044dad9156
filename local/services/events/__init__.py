"""EventBridge: rules that match events or keep schedules, and the targets that they reach.

moto keeps buses, rules and targets as API objects and matches patterns; schedules (`schedules`, on the cloud's time),
the form of events (`event`, `inputs`), delivery with its permissions, retries and dead letters (`targets`, `bus`) are
Flyball's. Other parts of the cloud hand in events of their own with `EventBus.put_event`. Not done: archives and
replays, API destinations, pipes, the EventBridge Scheduler, cross-account and cross-region buses.
"""
