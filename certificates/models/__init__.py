"""The inventory of certificates, the keys that wait for theirs, and what was told."""

from .alert import Alert
from .certificate import Certificate, key_context, sealing_context
from .looked import Looked
from .request import CertificateRequest

__all__ = ["Alert", "Certificate", "CertificateRequest", "Looked", "key_context", "sealing_context"]
