"""The inventory of certificates, and the keys that wait for theirs."""

from .certificate import Certificate, key_context, sealing_context
from .request import CertificateRequest

__all__ = ["Certificate", "CertificateRequest", "key_context", "sealing_context"]
