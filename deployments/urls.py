"""The addresses of the fleet: projects, nodes, services, what is deployed, and plans."""

from __future__ import annotations

from django.urls import path

from deployments.views import (
    access,
    access_keys,
    content,
    fleet,
    instances,
    machine,
    nodes,
    owed,
    plans,
    project,
    push_policy,
    registry,
    releases,
    retention,
    rotations,
    served,
    settings,
    store,
    upkeep,
    uploads,
)

app_name = "deployments"

_P = "projects/<str:project>/"
_N = _P + "nodes/<str:node>/"
_S = _N + "services/<str:service>/"

urlpatterns = [
    path("", fleet.board, name="fleet"),
    path(_P, project.overview, name="project"),
    # certificates that are served
    path("certificates/", served.fleet, name="served"),
    path("certificates/served.csv", served.fleet_csv, name="served_csv"),
    path(_P + "certificates/served/", served.of_project, name="served_project"),
    path(_P + "certificates/served.csv", served.of_project_csv, name="served_project_csv"),
    path(_P + "certificates/<int:certificate>/rotate/", rotations.of_certificate, name="certificate_rotate"),
    path(_P + "certificates/<int:certificate>/restore/", rotations.back_to, name="certificate_restore"),
    # nodes
    path(_P + "nodes/", nodes.listing, name="nodes"),
    path(_P + "nodes/new/", nodes.create, name="node_create"),
    path(_P + "upgrade/", upkeep.upgrade_all, name="nodes_upgrade"),
    path(_P + "rotate-keys/", access.rotate_all, name="nodes_rotate_keys"),
    path(_N, nodes.detail, name="node"),
    path(_N + "edit/", nodes.edit, name="node_edit"),
    path(_N + "remove/", nodes.remove, name="node_remove"),
    path(_N + "read/", nodes.read, name="node_read"),
    path(_N + "upgrade/", upkeep.upgrade, name="node_upgrade"),
    path(_N + "cordon/", upkeep.cordon, name="node_cordon"),
    path(_N + "uncordon/", upkeep.uncordon, name="node_uncordon"),
    path(_N + "prune/", upkeep.prune, name="node_prune"),
    path(_P + "access-keys/", access_keys.listing, name="access_keys"),
    path(_P + "access-keys/add/", access_keys.add, name="access_key_add"),
    path(_P + "access-keys/apply/", access_keys.apply, name="access_keys_apply"),
    path(_P + "access-keys/<int:key>/remove/", access_keys.remove, name="access_key_remove"),
    path(_P + "access-keys/adopt/<int:line>/", access_keys.adopt, name="access_key_adopt"),
    path(_N + "access-keys/", access_keys.of_node, name="node_access"),
    path(_N + "access-keys/apply/", access_keys.apply_to_node, name="node_access_apply"),
    path(_N + "rotate-key/", access.rotate, name="node_rotate_key"),
    path(_N + "enrol/", nodes.enrol, name="node_enrol"),
    path(_N + "keys/<int:key>/reprovision/", nodes.reprovision, name="node_reprovision"),
    path(_N + "machine/", machine.page, name="machine"),
    path(_N + "machine/ffs.bu", machine.butane, name="machine_butane"),
    path(_N + "machine/ffs.ign", machine.ignition, name="machine_ignition"),
    # services
    path(_P + "services/", instances.listing, name="services"),
    path(_N + "services/new/", instances.create, name="service_create"),
    path(_S, instances.detail, name="service"),
    path(_S + "edit/", instances.edit, name="service_edit"),
    path(_S + "remove/", instances.remove, name="service_remove"),
    path(_S + "control/<str:verb>/", instances.control, name="service_control"),
    path(_S + "journal/", instances.journal, name="service_journal"),
    path(_S + "rotate/", rotations.of_service, name="service_rotate"),
    path(_S + "owed/forget/", owed.forget, name="service_forget_owed"),
    # what is deployed
    path(_P + "images/", content.images, name="images"),
    path(_P + "images/<int:image>/remove/", content.remove_image, name="image_remove"),
    path(_P + "uploads/", uploads.create, name="uploads"),
    path(_P + "uploads/<str:upload>/", uploads.one, name="upload"),
    path(_P + "uploads/<str:upload>/finish/", uploads.finish, name="upload_finish"),
    path(_P + "uploads/<str:upload>/discard/", uploads.discard, name="upload_discard"),
    path(_P + "files/", content.files, name="files"),
    path(_P + "files/<int:number>/", content.files_version, name="files_version"),
    path(_P + "registry/", registry.push, name="registry"),
    path(_P + "registry/pull/", registry.pull, name="registry_pull"),
    path(_P + "registry/policy/", push_policy.policy, name="push_policy"),
    path(_P + "registry/logins/", registry.logins, name="registry_logins"),
    path(_P + "registry/logins/set/", registry.set_login, name="registry_login_set"),
    path(_P + "registry/logins/<int:login>/remove/", registry.remove_login, name="registry_login_remove"),
    path(_P + "releases/", releases.listing, name="releases"),
    path(_P + "releases/new/", releases.create, name="release_create"),
    path(_P + "releases/<int:number>/", releases.detail, name="release"),
    path(_P + "releases/<int:number>/plan/", plans.make, name="plan_make"),
    path(_P + "plans/<str:digest>/", plans.show, name="plan"),
    path(_P + "plans/<str:digest>/deploy/", plans.deploy, name="plan_deploy"),
    # the image store, for administrators
    path("system/retention/", retention.page, name="retention"),
    path("system/store/", store.page, name="store"),
    path("system/store/collect/", store.collect, name="store_collect"),
    # settings
    path(_P + "settings/", settings.listing, name="settings"),
    path(_P + "settings/import/", settings.import_file, name="settings_import"),
    path(_P + "settings/set/", settings.change, name="settings_set"),
    path(_P + "settings/<str:name>/remove/", settings.remove, name="settings_remove"),
]
