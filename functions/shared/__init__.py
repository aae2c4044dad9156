"""What more than one function needs: proxy events, problem documents, inference ids, the environment."""
