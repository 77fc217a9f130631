"""Tells build.rs of the library in the SDK for Python: prints where it is, and
writes its protocol, a FileDescriptorSet, to the file that it is given.

The crate livekit-ffi has that protocol, too, as .proto files, but is published up
to 0.12.44 only, and the library, which knows its version, is newer: 0.12.80 in
livekit 1.1.21. It tells more, as of permissions. What the SDK's modules have is of
the same version as the library beside them.
"""

import pathlib
import sys

from google.protobuf import descriptor_pb2
from livekit.rtc import resources
from livekit.rtc._proto import ffi_pb2

files = {}


def add(file):
    """Adds a file after those that it imports, as such sets are ordered."""
    if file.name not in files:
        for imported in file.dependencies:
            add(imported)
        files[file.name] = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(files[file.name])


add(ffi_pb2.DESCRIPTOR)
protocol = descriptor_pb2.FileDescriptorSet(file=files.values())
pathlib.Path(sys.argv[1]).write_bytes(protocol.SerializeToString())
[library] = pathlib.Path(resources.__file__).parent.glob("liblivekit_ffi.*")
print(library)
