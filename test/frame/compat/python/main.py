"""Writes and reads frames with Python's FlatBuffers runtime: one JSON command a line, one JSON answer a line.

{"write": {kind, flags, channel, type, seq, ref, payload, subject?, meta?}} → {"frame"}; bytes are hexadecimal.
{"read": frame} → the same fields.
"""

import json
import sys

import flatbuffers
from millrace.wire import Entry, Frame, Header


def write(contents: dict) -> bytes:
    builder = flatbuffers.Builder(64)
    payload = bytes.fromhex(contents["payload"])
    builder.Prep(8, len(payload))  # force_align: the generated functions do not know of it
    payload_vector = builder.CreateByteVector(payload)
    subject = None
    if "subject" in contents:
        subject = builder.CreateString(contents["subject"])
    meta = None
    if "meta" in contents:
        entries = [write_entry(builder, key, bytes.fromhex(value)) for key, value in contents["meta"]]
        Frame.StartMetaVector(builder, len(entries))
        for entry in reversed(entries):
            builder.PrependUOffsetTRelative(entry)
        meta = builder.EndVector()
    Frame.Start(builder)
    Frame.AddPayload(builder, payload_vector)
    if subject is not None:
        Frame.AddSubject(builder, subject)
    if meta is not None:
        Frame.AddMeta(builder, meta)
    header = [contents[name] for name in ("kind", "flags", "channel", "type", "seq", "ref")]
    Frame.AddHeader(builder, Header.CreateHeader(builder, *header))
    builder.FinishSizePrefixed(Frame.End(builder))
    return bytes(builder.Output())


def write_entry(builder: flatbuffers.Builder, key: str, value: bytes) -> int:
    value_vector = builder.CreateByteVector(value)
    key_string = builder.CreateString(key)
    Entry.Start(builder)
    Entry.AddKey(builder, key_string)
    Entry.AddValue(builder, value_vector)
    return Entry.End(builder)


def read(encoded: bytes) -> dict:
    frame = Frame.Frame.GetRootAs(encoded, 4)
    header = frame.Header()
    contents = {
        "kind": header.Kind(),
        "flags": header.Flags(),
        "channel": header.Channel(),
        "type": header.Type(),
        "seq": header.Seq(),
        "ref": header.Ref(),
        "payload": bytes(frame.Payload(i) for i in range(frame.PayloadLength())).hex(),
    }
    if frame.Subject() is not None:
        contents["subject"] = frame.Subject().decode()
    if frame.MetaLength() > 0:
        contents["meta"] = [read_entry(frame.Meta(i)) for i in range(frame.MetaLength())]
    return contents


def read_entry(entry: Entry.Entry) -> list[str]:
    value = bytes(entry.Value(i) for i in range(entry.ValueLength()))
    return [entry.Key().decode(), value.hex()]


for line in sys.stdin:
    command = json.loads(line)
    if "write" in command:
        answer = {"frame": write(command["write"]).hex()}
    else:
        answer = read(bytes.fromhex(command["read"]))
    print(json.dumps(answer), flush=True)
