"""The sample application: a small HTTPS server that tells what it was given, and can be told to misbehave."""
