"""Settings > API Keys: the page of Local Scope for people."""
