"""Container images and project files on the dashboard's disk, and the endpoint that a node pulls from. No Django.

::

    archive ─ choose ─ members          an uploaded image archive, read once            (import_archive)
    store ─ blobs ─ drafts              the image layout; content-addressed files       (Store, gc)
    manifests, descriptors, imageconfig, documents, digests     the formats; pure
    streams, compression, tarstream, tarheader                  bytes within limits
    endpoint ─ registry ─ http          what one operation offers to one node           (offer, serve)
    filestore ─ fileintake ─ filezip    project files in, and out as a tar              (import_files, tar_of)

A new way in (a registry push, a pull) writes drafts in a workspace, verifies them against a configuration and ends in
``Store.add``. A new form of a layer (compressed, chunked, a delta) is a blob beside the uncompressed one: it is
offered by an Endpoint whose manifest was written for that node (``offered_document``).
"""
