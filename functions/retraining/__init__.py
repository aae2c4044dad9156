"""The steps of one package's retraining loop. The state machine calls them; each can be called twice without harm."""
