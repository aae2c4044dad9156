"""One model's API: checks a request before any GPU time is spent, asks the endpoint, checks the answer."""
