"""What the dashboard knows of the fleet."""

from deployments.models.access_key import AccessKey, KeyOnNode, NodeAccess
from deployments.models.collection import Collection, ImageLayer
from deployments.models.content import FilesVersion, Image, Release
from deployments.models.dashboard_key import DashboardKey, OwedRotation
from deployments.models.had import HadCertificate
from deployments.models.node import HostKey, Node
from deployments.models.owed import Owed
from deployments.models.plan import Plan
from deployments.models.proven import Proven
from deployments.models.push_policy import PushPolicy, TakenUp
from deployments.models.reading import Reading
from deployments.models.registry import ProjectBlob, PushedManifest, RegistryCredential, RegistryTag
from deployments.models.served import Served
from deployments.models.served_watch import ServedWatch
from deployments.models.service import Service
from deployments.models.setting import Setting
from deployments.models.signing import SigningKey
from deployments.models.upload import Upload

__all__ = [
    "AccessKey",
    "Collection",
    "DashboardKey",
    "FilesVersion",
    "HadCertificate",
    "HostKey",
    "Image",
    "ImageLayer",
    "KeyOnNode",
    "Node",
    "NodeAccess",
    "Owed",
    "OwedRotation",
    "Plan",
    "ProjectBlob",
    "Proven",
    "PushPolicy",
    "PushedManifest",
    "Reading",
    "RegistryCredential",
    "RegistryTag",
    "Release",
    "Served",
    "ServedWatch",
    "Service",
    "Setting",
    "SigningKey",
    "TakenUp",
    "Upload",
]
