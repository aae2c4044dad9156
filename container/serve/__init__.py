"""The model server: HTTP on the event loop, the model on a thread of its own, a queue of rows between them.

rsgi | asgi -> application -> row_queue -> model_thread
                                                        process: the verb; signals, drain and exit codes
"""
