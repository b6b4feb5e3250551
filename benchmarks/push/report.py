"""The measurements as a page of the documentation. Pure: from results to text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.push.report_tables import import_table, many_table, push_table, raw_table, targets_table, verdict

if TYPE_CHECKING:
    from benchmarks.push.results import Results

HEAD: Final = """# Benchmarks: what a push costs

This page is written by `{command}` from [`benchmarks/results/push.json`](../benchmarks/results/push.json): do not
edit it. `python -m benchmarks.push --help` says how to measure a part.

Measured on {cpu}, {cores} cores for sender, link and nodes together; {kernel}; nodes with {node_podman} in
systemd-nspawn; sender with {podman}, {skopeo}, {rsync}, {ssh}; {date}.

## What is measured

The image has three layers: {layers}. Each change is pushed on top of the one before:

{changes}

Bytes are TCP payload to the node, SSH included, as the relay that is the link counts it. Wall time is from nothing
to the image's being complete on the node: for ffsweb connecting, reading the node and the image step of a deploy, for
the others their command with its log-in. What is made in advance (compressed directories, registries, the intake of
an image into ffsweb) is not in it; the JSON has it. One run each. The link is a relay for the delay and {shaper} for
the rate, both ways.
"""


def report(results: Results) -> str:
    """The whole page, in Markdown."""
    parts = [_head(results)]
    links = list(dict.fromkeys(row.link for row in results.rows))
    parts += [f"## {link}\n\n{push_table(results, link)}" for link in links]
    if links:
        parts.append(f"## Against the targets\n\n{targets_table(results, links)}")
    if results.raw:
        parts.append(f"## The connection itself\n\n{raw_table(results)}")
    if results.many:
        parts.append(f"## Many nodes at once\n\n{many_table(results)}")
    if results.imports:
        parts.append(f"## Taking an archive in\n\n{import_table(results)}")
    parts.append(f"## The verdict\n\n{verdict(results)}")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _head(results: Results) -> str:
    layers = results.image[0]["layers"] if results.image else []
    told = ", ".join(f"{layer['kind']} ({layer['size'] / 1e6:.0f} MB, {layer['files']} files)" for layer in layers)
    changes = "\n".join(f"- {image['change']}: {image['about']}" for image in results.image)
    shapers = sorted({row.shaped for row in results.rows if row.shaped})
    names = {"tbf": "the kernel's `tbf`", "relay": "the relay's own token bucket"}
    machine = {"cpu": "?", "cores": "?", "kernel": "?", "podman": "?", "node_podman": "?", "skopeo": "?"}
    machine |= {"rsync": "?", "ssh": "?", "date": "?"} | results.machine
    return HEAD.format(
        command=results.command or "make bench-push",
        layers=told,
        changes=changes,
        shaper=" and ".join(names[shaper] for shaper in shapers) or "nothing",
        **machine,
    )
