"""What operators type about the fleet, checked."""
