"""The colour, the icon and the word of every state that a page shows. Colour never stands alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pill:
    """How a state looks: ``tone`` is a class of app.css (``pill-TONE``), ``icon`` a name of the icon sheet."""

    tone: str
    icon: str
    text: str


_GOOD, _BUSY, _WARN, _BAD, _CALM = "good", "busy", "warn", "bad", "calm"

PILLS: dict[str, Pill] = {
    # operations
    "queued": Pill(_CALM, "clock", "Queued"),
    "running": Pill(_BUSY, "loader-2", "Running"),
    "parked": Pill(_WARN, "player-pause", "Parked"),
    "succeeded": Pill(_GOOD, "check", "Succeeded"),
    "failed": Pill(_BAD, "x", "Failed"),
    "rolled_back": Pill(_WARN, "arrow-back-up", "Rolled back"),
    "cancelled": Pill(_CALM, "ban", "Cancelled"),
    "unknown": Pill(_WARN, "help", "Unknown"),
    "needs_hands": Pill(_BAD, "hand-stop", "Needs hands"),
    # steps
    "pending": Pill(_CALM, "circle-dashed", "Pending"),
    "done": Pill(_GOOD, "check", "Done"),
    "interrupted": Pill(_WARN, "player-pause", "Interrupted"),
    "skipped": Pill(_CALM, "player-skip-forward", "Skipped"),
    # services and units
    "live": Pill(_GOOD, "check", "Live"),
    "active": Pill(_GOOD, "check", "Active"),
    "activating": Pill(_BUSY, "loader-2", "Starting"),
    "deactivating": Pill(_BUSY, "loader-2", "Stopping"),
    "reloading": Pill(_BUSY, "loader-2", "Reloading"),
    "inactive": Pill(_CALM, "player-stop", "Stopped"),
    "stopped": Pill(_CALM, "player-stop", "Stopped"),
    "healthy": Pill(_GOOD, "heartbeat", "Healthy"),
    "unhealthy": Pill(_BAD, "heart-broken", "Unhealthy"),
    "never_deployed": Pill(_CALM, "circle-dashed", "Never deployed"),
    "pending_confirm": Pill(_BUSY, "loader-2", "Waiting for the gate"),
    "degraded": Pill(_BAD, "alert-triangle", "Degraded"),
    "behind": Pill(_WARN, "versions", "Behind"),
    "drifted": Pill(_WARN, "alert-triangle", "Drifted"),
    # nodes
    "reachable": Pill(_GOOD, "plug-connected", "Reachable"),
    "unreachable": Pill(_BAD, "plug-connected-x", "Unreachable"),
    "never_contacted": Pill(_CALM, "circle-dashed", "Not contacted yet"),
    "stale": Pill(_WARN, "clock-exclamation", "Stale"),
    "cordoned": Pill(_WARN, "ban", "Cordoned"),
    "reboot_pending": Pill(_WARN, "refresh-alert", "Reboot pending"),
    "host_key_changed": Pill(_BAD, "shield-x", "Host key changed"),
    # host keys
    "bootstrap": Pill(_WARN, "key", "Bootstrap"),
    "pinned": Pill(_GOOD, "pin", "Pinned"),
    "retired": Pill(_CALM, "archive", "Retired"),
    # access keys
    "present": Pill(_GOOD, "check", "On the node"),
    "owed_add": Pill(_WARN, "hourglass", "To be added"),
    "owed_remove": Pill(_WARN, "hourglass", "To be removed"),
    "removed": Pill(_CALM, "trash", "Removed"),
    "foreign": Pill(_WARN, "help", "Not known here"),
    "break_glass": Pill(_CALM, "shield-lock", "Break-glass"),
    "owed": Pill(_WARN, "hourglass", "Owed"),
    "not_refused": Pill(_WARN, "alert-triangle", "Not refused yet"),
    "destroyed": Pill(_CALM, "trash", "Destroyed"),
    # certificates
    "valid": Pill(_GOOD, "shield-check", "Valid"),
    "expiring": Pill(_WARN, "shield-exclamation", "Expires soon"),
    "expired": Pill(_BAD, "shield-x", "Expired"),
    "not_yet_valid": Pill(_WARN, "clock", "Not valid yet"),
    "match": Pill(_GOOD, "shield-check", "All the same"),
    "mismatch": Pill(_BAD, "shield-x", "Not the same"),
    "front": Pill(_WARN, "shield-exclamation", "Something in front"),
    # settings
    "set": Pill(_GOOD, "check", "Set"),
    "not_set": Pill(_CALM, "circle-dashed", "Not set"),
    "sealed": Pill(_GOOD, "lock", "Sealed"),
    "plain": Pill(_CALM, "eye", "Plain"),
    # people
    "viewer": Pill(_CALM, "eye", "Viewer"),
    "operator": Pill(_CALM, "tool", "Operator"),
    "admin": Pill(_CALM, "shield", "Admin"),
    "administrator": Pill(_CALM, "shield-star", "Administrator"),
    "deactivated": Pill(_WARN, "user-off", "Deactivated"),
    "invited": Pill(_CALM, "mail", "Invited"),
    # mail
    "sent": Pill(_GOOD, "check", "Sent"),
    "waiting": Pill(_BUSY, "clock", "Waiting"),
    "given_up": Pill(_BAD, "x", "Given up"),
    # general
    "ok": Pill(_GOOD, "check", "OK"),
    "on": Pill(_GOOD, "check", "On"),
    "off": Pill(_CALM, "circle-dashed", "Off"),
    "warning": Pill(_WARN, "alert-triangle", "Warning"),
    "error": Pill(_BAD, "alert-circle", "Error"),
    "none": Pill(_CALM, "circle-dashed", "None"),
}


def pill_for(state: str) -> Pill:
    """The pill of ``state``; a word that is not known is shown as it is, in the calm tone."""
    known = PILLS.get(state.lower().replace("-", "_").replace(" ", "_"))
    return known or Pill(_CALM, "point", state.replace("_", " ").capitalize() or "Unknown")
