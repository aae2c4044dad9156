"""What the API says about itself: which models there are, what goes in and out of each, as JSON, OpenAPI and HTML."""
