"""One model's monitor: what went in and out of it, compared with what it was trained on, once a window."""
