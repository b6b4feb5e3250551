"""An application with kinds of operations for tests with real worker processes."""
