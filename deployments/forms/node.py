"""The form of a node."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from deployments.models import Node
from ffsweb.accounts.models import Project
from ffsweb.remote.keys import ACCESS_RSA_BITS, BadPublicKey, parse_public_key
from ffsweb.web.measures import rate_from_words, rate_in_words

_DNS = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_SCOPE = re.compile(r"\A[^%]*(%[a-z0-9_.-]{1,15})?\Z")
"""At most an interface after the percent sign of an IPv6 address; Python itself would take any text there."""
_TAG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}\Z")
MAX_TAGS = 20
MAX_KEYS = 50


class NodeForm(forms.ModelForm):
    """A node's name, address, tags and the access keys of its operators."""

    tags = forms.CharField(
        required=False, max_length=400, help_text="Words that group nodes, separated by spaces or commas."
    )

    bandwidth = forms.CharField(
        required=False,
        max_length=40,
        label="Limit for pushes",
        help_text="What images sent to this node may take of the line, such as 5 MB/s or 40 Mbit/s. Empty: no limit.",
    )

    class Meta:
        model = Node
        fields = ["name", "address", "ssh_port", "tags", "operator_keys", "bandwidth"]
        widgets = {"operator_keys": forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})}
        labels = {"ssh_port": "SSH port", "operator_keys": "Access keys of operators"}
        help_texts = {
            "name": "Its host name: lower-case letters, digits and hyphens.",
            "address": "The IP address or DNS name at which the dashboard reaches it.",
            "ssh_port": "Where that address answers SSH. The machine itself listens on 22; another port is for a "
            "forward in front of it.",
            "operator_keys": "SSH public keys for the user core, one a line. They are your way in if the dashboard "
            "is gone; without one nobody but the dashboard can log in.",
        }

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        if self.instance.pk:
            # The name is the machine's host name and part of its file: it cannot follow a change here.
            self.fields["name"].disabled = True
            self.initial["tags"] = " ".join(self.instance.tags)
            limit = self.instance.bandwidth
            self.initial["bandwidth"] = rate_in_words(limit) if limit else ""

    def clean_name(self) -> str:
        """A name that is free in the project."""
        name: str = self.cleaned_data["name"]
        if Node.objects.filter(project=self.project, name=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError(f"{self.project} has a node of this name.")
        return name

    def clean_address(self) -> str:
        """An IP address or a DNS name."""
        address = self.cleaned_data["address"].strip().lower()
        try:
            if not _SCOPE.search(address):
                raise ValueError("an odd scope")
            return str(ipaddress.ip_address(address))
        except ValueError:
            if not _DNS.match(address) or address.replace(".", "").isdigit():
                raise ValidationError(
                    "This is neither an IP address nor a DNS name, such as 192.0.2.7 or node-a.example.org."
                ) from None
        return address

    def clean_tags(self) -> list[str]:
        """Unique tags in the order in which they were typed."""
        tags = list(dict.fromkeys(re.split(r"[\s,]+", self.cleaned_data["tags"].strip().lower())))
        tags = [tag for tag in tags if tag]
        bad = [tag for tag in tags if not _TAG.match(tag)]
        if bad:
            raise ValidationError(f"{bad[0]!r} is not a tag: use letters, digits, dots, hyphens and underscores.")
        if len(tags) > MAX_TAGS:
            raise ValidationError(f"At most {MAX_TAGS} tags.")
        return tags

    def clean_bandwidth(self) -> int | None:
        """Bytes per second; None for no limit."""
        text = self.cleaned_data["bandwidth"].strip()
        try:
            return rate_from_words(text) if text else None
        except ValueError as error:
            raise ValidationError(f"This is no rate: {error}.") from error

    def clean_operator_keys(self) -> str:
        """Valid public keys, one a line, comments kept."""
        lines = [line.strip() for line in self.cleaned_data["operator_keys"].splitlines() if line.strip()]
        if len(lines) > MAX_KEYS:
            raise ValidationError(f"At most {MAX_KEYS} keys.")
        for number, line in enumerate(lines, start=1):
            try:
                parse_public_key(line, rsa_bits=ACCESS_RSA_BITS)
            except BadPublicKey as error:
                raise ValidationError(f"Line {number}: {error}") from error
        return "\n".join(lines)


class CordonForm(forms.Form):
    """Why nothing is to be deployed to a node."""

    reason = forms.CharField(max_length=200)

    def clean_reason(self) -> str:
        """On one line, and printable."""
        typed = str(self.cleaned_data["reason"])
        reason = " ".join("".join(each if each.isprintable() else " " for each in typed).split())
        if not reason:
            raise forms.ValidationError("Say why, for the others.")
        return reason
